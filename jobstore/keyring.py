"""`bin/wan22 keys`: what a person does with the keys of a service."""

from jobstore.clock import now_ms, text
from jobstore.errors import NameWrong
from jobstore.keys import Key
from jobstore.settings import Settings
from jobstore.store import Store


def new(settings: Settings, name: str) -> str:
    """Make a key; it is shown this once.

    Raises:
        NameWrong: no name for a key.
    """
    store = Store.open(settings.store_url, settings.wake)
    try:
        return store.keys.make(name, now_ms())
    finally:
        store.close()


def listed(settings: Settings) -> list[str]:
    """Tell of every key whose it is and what it is called, but not the key itself."""
    store = Store.open(settings.store_url, settings.wake)
    try:
        return [line(key) for key in store.keys.all()]
    finally:
        store.close()


def line(key: Key) -> str:
    """Tell of a key."""
    revoked = f"  revoked {text(key.revoked_at)}" if key.revoked_at else ""
    return f"{key.short}  {key.name:<20}  made {text(key.made_at)}{revoked}"


def revoke(settings: Settings, name_or_short: str) -> int:
    """Revoke all keys of a name, or the one that is called so; answers how many.

    Raises:
        NameWrong: there is none.
    """
    store = Store.open(settings.store_url, settings.wake)
    try:
        count = store.keys.revoke(name_or_short, now_ms())
    finally:
        store.close()
    if not count:
        message = f"No key in use is called {name_or_short!r}; bin/wan22 keys list names them."
        raise NameWrong(message)
    return count
