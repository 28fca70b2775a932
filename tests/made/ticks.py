"""One tick of the render stage, and all that comes of it."""

from runner.render.work import Render


def tick(render: Render) -> bool:
    """Claim a job and see it through: its video made whole, and rendered again if it is broken."""
    claimed = render.run_once()
    render.settle()
    while render.again:
        render.run_once()
        render.settle()
    return claimed
