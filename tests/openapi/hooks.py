"""What schemathesis cannot know of these APIs: who calls, and that the truth of the original's is in `ErrorCode`."""

import os

import schemathesis
from schemathesis import GenerationMode

CALLER = {name: os.environ[name.upper()] for name in ("sdkappid", "identifier", "usersig")}

# A body of the documented shape is never told that it has the wrong one.
WRONG_SHAPE = {10004, 50002, 51006, 51011, 60002, 60003, 60015, 70206, 70402}
FAULTS = {50004, 50005}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every call is made by the app's admin, and waits for no change. The native API's UserSig is a header, see `.ci/openapi`."""
    if case.path.startswith("/v4/"):
        case.query = {**(case.query or {}), **CALLER}
    if case.path.startswith("/v1/"):
        case.path_parameters = {**case.path_parameters, "app": CALLER["sdkappid"]}
        case.query = {name: value for name, value in (case.query or {}).items() if name != "wait"}
    if case.path.startswith("/admin/") and "confirm" in (case.query or {}):
        # A request that happens to confirm would end the app that the other requests need.
        names = map(str, (case.path_parameters or {}).values())
        if str(case.query["confirm"]) in names:
            case.query = {**case.query, "confirm": "no"}


@schemathesis.check
def the_service_is_not_at_fault(context, response, case):
    if case.path.startswith("/v4/"):
        answer = response.json()
        assert answer["ErrorCode"] not in FAULTS, answer


@schemathesis.check
def what_has_the_documented_shape_is_no_bad_request(context, response, case):
    if case.path.startswith("/v1/") and is_as_documented(case) and not is_longer_than_a_user(case):
        # No schema says which texts of pages the service has made, and which marks have a name.
        is_known = "page" in (case.query or {}) or names_no_mark(response)
        assert response.status_code != 400 or is_known, response.text


@schemathesis.check
def what_has_the_documented_shape_is_taken(context, response, case):
    if not case.path.startswith("/v4/") or not is_as_documented(case):
        return
    answer = response.json()
    is_taken_name = "has a conversation group of that name" in answer["ErrorInfo"]
    assert answer["ErrorCode"] not in WRONG_SHAPE or is_taken_name, answer


def names_no_mark(response):
    words = ("no mark of this name", "neither the name of a mark")
    return response.status_code == 400 and any(text in response.json()["detail"] for text in words)


def is_as_documented(case):
    """The body was made from the schema, and its texts are short enough in bytes too: JSON Schema counts characters."""
    made = case.meta.generation.mode == GenerationMode.POSITIVE
    return made and all(text.isascii() for text in texts([case.body, case.path_parameters]))


def is_longer_than_a_user(case):
    """The id of a chat group may be longer than that of a user, and the schema of a path cannot say so."""
    return len((case.path_parameters or {}).get("id", "")) > 32


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
