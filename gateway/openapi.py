"""The document of the API, OpenAPI 3.1, made of the table of calls and of what the model can do."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from gateway import limits
from gateway.answers import JobName, ProblemFacts
from gateway.call import Answer, Call
from gateway.problems import STATUSES
from gateway.wanted import LINE, SIZE
from jobstore import __version__
from jobstore.abilities import Abilities

Schema = dict[str, Any]

ABOUT = """Videos from Wan 2.2 TI2V-5B: a queue that does not lose jobs, one render at a time.

Every call but those that say so needs the key, as `X-API-Key` or as `Authorization: Bearer`. Every
refusal is a problem with a `code` and a sentence that says what to do."""
REF = "#/components/schemas/"
SECURITY = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
ALWAYS = ("internal_error", "store_unavailable")
KEYED = ("key_missing", "key_wrong", "key_tried")


def document(calls: Sequence[Call], can: Abilities) -> Schema:
    """Write the document of all calls, with the limits of one model."""
    paths: dict[str, Schema] = defaultdict(dict)
    for call in calls:
        paths[re.sub(r":\w+}", "}", call.path)][call.method.lower()] = operation(call)
    return {
        "openapi": "3.1.0",
        "info": {"title": "wan22", "version": __version__, "description": ABOUT},
        "paths": dict(paths),
        "components": {"schemas": schemas_of(calls, can), "securitySchemes": SECURITY},
        "security": [{name: []} for name in SECURITY],
    }


def operation(call: Call) -> Schema:
    """Describe one call."""
    described: Schema = {
        "operationId": call.name,
        "summary": call.about,
        "tags": ["OpenAI" if call.path.startswith("/v1/") else "wan22"],
        "parameters": parameters(call),
        "responses": {
            **{str(status): response(answer) for status, answer in call.answers.items()},
            **refusals(call),
        },
    }
    if call.body:
        described["requestBody"] = request_body(call.body, call.part)
    if call.is_open:
        described["security"] = []
    return described


def parameters(call: Call) -> list[Schema]:
    """Describe what a call takes in its path, its query and its head."""
    found: list[Schema] = []
    if "{job_id" in call.path:
        schema = TypeAdapter(JobName).json_schema()
        found.append({"name": "job_id", "in": "path", "required": True, "schema": schema})
    if call.query:
        for name, schema in call.query.model_json_schema()["properties"].items():
            found.append({"name": name, "in": "query", "schema": as_text(schema)})
    for name, header in call.headers.items():
        schema = {"type": "string"} | ({"pattern": header.pattern} if header.pattern else {})
        about = {"description": header.about, "schema": schema}
        found.append({"name": name, "in": "header"} | about)
    return found


def response(answer: Answer) -> Schema:
    """Describe an answer."""
    described: Schema = {"description": answer.says}
    if answer.body is not None:
        described["content"] = {answer.media_type: {"schema": body_schema(answer.body)}}
    if answer.headers:
        described["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    return described


def body_schema(body: Any) -> Schema:
    """Describe what an answer consists of; bytes need no schema."""
    if body is bytes:
        return {}
    if body in {str, dict}:
        return TypeAdapter(body).json_schema()
    return {"$ref": f"{REF}{name_of(body)}"}


def name_of(kind: Any) -> str:
    """Tell the name of a class."""
    return str(getattr(kind, "__name__", kind))


def refusals(call: Call) -> Schema:
    """Describe how a call can be refused: the codes, by status."""
    codes = (*call.refusals, *ALWAYS, *(() if call.is_open else KEYED))
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys(codes):
        by_status[STATUSES[code].value].append(code)
    schema = {"$ref": f"{REF}{ProblemFacts.__name__}"}
    return {
        str(status): {
            "description": ", ".join(f"`{code}`" for code in found),
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status, found in sorted(by_status.items())
    }


def request_body(kind: type[BaseModel], part: str | None) -> Schema:
    """Describe a body: JSON, and a form where there is one."""
    schema = {"$ref": f"{REF}{kind.__name__}"}
    content: Schema = {"application/json": {"schema": schema}}
    if part:
        content["multipart/form-data"] = {"schema": {"$ref": f"{REF}{kind.__name__}Form"}}
    return {"required": True, "content": content}


def schemas_of(calls: Iterable[Call], can: Abilities) -> dict[str, Schema]:
    """Describe all bodies, each once."""
    ways: list[tuple[str, Literal["validation", "serialization"], TypeAdapter[Any]]] = []
    for call in calls:
        facts = [
            answer.body for answer in call.answers.values() if name_of(answer.body)[0].isupper()
        ]
        ways += [(name_of(kind), "serialization", TypeAdapter(kind)) for kind in facts if kind]
        if call.body:
            ways.append((call.body.__name__, "validation", TypeAdapter(call.body)))
    ways.append((ProblemFacts.__name__, "serialization", TypeAdapter(ProblemFacts)))
    made, shared = TypeAdapter.json_schemas(ways, ref_template=f"{REF}{{model}}")
    found: dict[str, Schema] = dict(shared.get("$defs", {}))
    found |= {name: schema for (name, _), schema in made.items() if "$ref" not in schema}
    for call in calls:
        if call.body and call.part:
            fit(found[call.body.__name__], can)
            found[f"{call.body.__name__}Form"] = form_of(found[call.body.__name__], call.part)
    return dict(sorted(found.items()))


def fit(schema: Schema, can: Abilities) -> None:
    """Put the limits of a model into the schema of a request."""
    members = schema["properties"]
    frames = range(limits.FRAMES_LEAST, can.num_frames + 1, limits.FRAMES_STEP)
    members["num_frames"]["anyOf"][0]["enum"] = list(frames)
    members["seconds"]["anyOf"][0]["maximum"] = limits.seconds_most(can)
    members["preset"]["enum"] = list(can.presets)
    members["size"]["anyOf"][0] |= (
        {"pattern": f"^{SIZE}$"} if can.sizes_by_area else {"enum": can.sizes}
    )
    members["metadata"]["propertyNames"] |= {"pattern": LINE}
    if "model" in members:
        members["model"]["anyOf"][0]["enum"] = [can.name]
    schema["not"] = {"anyOf": [NUMBERED_TWICE, *preset_faults(can)]}


def preset_faults(can: Abilities) -> list[Schema]:
    """List what does not go with a preset: other steps or guidance than it is made for."""
    found = []
    for name, preset in can.presets.items():
        chosen = {"preset": {"const": name}}
        least = limits.steps_least(preset)
        steps: Schema = {"type": "integer", "maximum": least - 1}
        if preset.sigmas:
            steps = {"type": "integer", "not": {"const": preset.steps}}
            scale = {"type": "number", "not": {"const": preset.guidance_scale}}
            found.append(both(chosen | {"guidance_scale": scale}))
        if preset.sigmas or least > 1:
            found.append(both(chosen | {"steps": steps}))
    return found


def both(members: Schema) -> Schema:
    """Describe a request that has all these members, as they are described."""
    return {"required": list(members), "properties": members}


NUMBERED_TWICE = both(
    {"num_frames": {"type": "integer"}, "seconds": {"type": ["number", "string"]}}
)


def form_of(schema: Schema, part: str) -> Schema:
    """Describe the same request as a form: its picture is a file, and nothing is null."""
    file = {"type": "string", "contentMediaType": "image/png", "description": "Or JPEG, or WebP."}
    members = {
        name: as_text(about)
        for name, about in schema["properties"].items()
        if name != "image_base64"
    }
    return {**schema, "properties": members | {part: file}}


def as_text(schema: Schema) -> Schema:
    """Describe the same value where there is no null: it is left out instead."""
    described = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    described |= schema.get("anyOf", [{}])[0]
    return described
