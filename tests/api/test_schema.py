"""The schema is what the API does: requests made of it, right ones and wrong ones, are answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from album.models import BatchRun, ShareLink
from album.services.api_keys import create_key
from album.services.editing import add_tag, name_person
from tests.cast import Cast, make_photo

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
"""Not positive_data_acceptance: a schema cannot say which albums there are, or that a day lies in the future."""
EXAMPLES = 8


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Requests use the connection of the test, as Django's own test client sees to."""
    moments = (request_started, request_finished)
    for moment in moments:
        moment.disconnect(close_old_connections)
    yield
    for moment in moments:
        moment.connect(close_old_connections)


@pytest.fixture
def real(cast: Cast) -> dict[str, dict[str, Any]]:
    """What stands in paths, by what they begin with, so that there is something to find."""
    photo = make_photo(cast.alice, album=cast.shared)
    add_tag(item=photo, name="sea")
    ann = name_person(item=photo, name="Ann")
    link = ShareLink.objects.create(created_by=cast.alice, album=cast.shared, token_sha256="0" * 64)
    run = BatchRun.objects.create(kind="photo", trigger="on-demand", album=cast.shared, state="finished")
    return {
        "media": {"id": photo.pk, "name": "sea", "person_id": ann.pk},
        "albums": {"id": cast.shared.pk, "username": "bob"},
        "links": {"id": link.pk},
        "people": {"id": ann.pk},
        "batches": {"id": run.pk},
    }


def operations() -> Iterator[Any]:
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/", WSGIHandler())
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        yield result.ok()


def cases(operation: Any, real: dict[str, dict[str, Any]]) -> st.SearchStrategy[Any]:
    """Requests of that operation, right and wrong, many of them about what there is."""
    start = operation.path.split("/")[3]
    values = {name: value for name, value in real.get(start, {}).items() if f"{{{name}}}" in operation.path}
    ways = [operation.as_strategy()]
    if values:
        ways.append(operation.as_strategy(path_parameters=values))
    if operation.query or operation.body:
        ways.append(
            operation.as_strategy(GenerationMode.NEGATIVE, **({"path_parameters": values} if values else {}))
        )
    return st.one_of(ways)


@pytest.mark.parametrize("who", ["site admin", "owner", "stranger", "nobody"])
def test_every_answer_is_as_the_schema_says(
    cast: Cast, settings: Settings, real: dict[str, dict[str, Any]], who: str
) -> None:
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 1_000_000
    headers = {}
    if user := {"site admin": cast.admin, "owner": cast.alice, "stranger": cast.charlie}.get(who):
        scopes = ["read", "upload", "write", "process", *(["admin"] if user.is_superuser else [])]
        headers["Authorization"] = f"Bearer {create_key(user=user, name='all', scopes=scopes)[1]}"
    wrong: dict[str, str] = {}
    for operation in operations():

        @hypothesis_settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases(operation, real))
        def ask(case: Any) -> None:
            with transaction.atomic():  # what is deleted is there again for the next example
                answer = case.call(headers=headers)
                transaction.set_rollback(True)
            case.validate_response(answer, checks=CHECKS)
            if who == "nobody":
                assert answer.status_code == 401

        try:
            ask()
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - all operations are to be heard of
            wrong[operation.label] = str(error)[:1500]
    assert wrong == {}, "\n\n".join(f"{label}: {words}" for label, words in wrong.items())


def test_the_schema_knows_how_to_sign_in_and_every_problem() -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/", WSGIHandler()).raw_schema
    assert set(schema["components"]["securitySchemes"]) == {"key", "session"}
    assert len(schema["paths"]) == 30
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            assert {"400", "401", "403", "404", "429"} <= set(told["responses"]), f"{method} {path}"
            assert told["description"], f"{method} {path}"
