"""PostgreSQL, by its own programs: a dump of one moment, and its way back in one transaction."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.db import connection, transaction

from album.exceptions import BackupError, StorageFull
from album.failpoints import failpoint
from album.services.backup.manifest import Contents

DUMP_LIMIT_S = 6 * 3600
EMPTY_SCHEMA = """DO $$ DECLARE commands text; BEGIN
SELECT string_agg(command, '; ') INTO commands FROM (
    SELECT format('DROP %s IF EXISTS %s CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN
        'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass) AS command
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i', 'a'))
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure)
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')) AS found;
IF commands IS NOT NULL THEN EXECUTE commands; END IF; END $$;
"""
"""Takes away the album's tables, views and functions; neither the schema, which before PostgreSQL 15 belongs to
somebody else, nor what extensions brought."""
COUNTED = """DO $$ BEGIN IF (SELECT count(*) FROM public."{name}") <> {count} THEN
RAISE EXCEPTION 'table {name} has not the {count} rows of the backup'; END IF; END $$;
"""


def dump(target: Path) -> Contents:
    """What is in the dump, which shows one moment and is not synced yet.

    Raises as ``copy_database``.
    """
    program = _client("pg_dump")
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        options = ["--format=plain", "--no-owner", "--no-privileges", "--compress=6", f"--file={target}"]
        _dump([program, *options, f"--snapshot={cursor.fetchone()[0]}"])
        failpoint("backup-database")
        return Contents.read(cursor, connection.introspection.table_names(cursor))


def load(source: Path, tables: dict[str, int]) -> None:
    """Puts the dump in the place of all that is in the database. It comes whole, as counted, or not at all.

    Raises:
        BackupError: it cannot be loaded; the database is as it was.
    """
    arguments, environment = _access()
    command = [_client("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    command += arguments
    connection.close()
    with tempfile.TemporaryFile() as words:
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=words
        ) as psql:
            assert psql.stdin is not None  # noqa: S101 - for mypy
            try:
                with suppress(BrokenPipeError):  # its own words say more
                    _feed(psql.stdin, source, tables)
            except BaseException:
                psql.kill()  # nothing is committed
                raise
        words.seek(0)
        reason = _reason(words.read().decode(errors="replace"))
    if psql.returncode:
        raise BackupError(f"PostgreSQL did not take the backup, nothing was changed: {reason}")


def other_sessions() -> list[str]:
    """Who else is connected to the database, one entry each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%s (%s)', coalesce(nullif(application_name, ''), usename), pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return [name for (name,) in cursor.fetchall()]


def _feed(stdin: IO[bytes], source: Path, tables: dict[str, int]) -> None:
    """Ends with COMMIT: should this process die before, psql finds the end of its input, and commits nothing."""
    with stdin:
        stdin.write(b"SET client_min_messages = warning; BEGIN;\n" + EMPTY_SCHEMA.encode())
        with gzip.open(source) as lines:
            shutil.copyfileobj(lines, stdin)
        for name, count in tables.items():
            if not re.fullmatch(r"\w+", name):
                raise BackupError(f"{source}: {name!r} is no table of an album")
            stdin.write(COUNTED.format(name=name, count=int(count)).encode())
        stdin.flush()
        failpoint("restore-database")
        stdin.write(b"COMMIT;\n")


def _dump(command: list[str]) -> None:
    arguments, environment = _access()
    ended = subprocess.run(
        [*command, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DUMP_LIMIT_S,
        check=False,
    )
    if "No space left on device" in ended.stderr:
        raise StorageFull("dump of the database: storage full, no backup was made. Free some space and retry.")
    if ended.returncode:
        raise BackupError(f"pg_dump failed, no backup was made: {_reason(ended.stderr)}")


def _client(program: str) -> str:
    """The program, if it is there and not older than the server. Raises BackupError and DatabaseError."""
    connection.ensure_connection()
    server = connection.connection.info.server_version // 10_000
    found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is missing. Install postgresql-client, of version {server} or newer.")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"\d+", said)
    version = int(number[0]) if number else 0
    if version < server:
        raise BackupError(
            f"{found} is of version {version}, the server of version {server}: install postgresql-client-{server}."
        )
    return found


def _access() -> tuple[list[str], dict[str, str]]:
    """Arguments and environment by which PostgreSQL's programs reach it; the password is in the latter."""
    command, environment = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    return list(command[1:]), {**os.environ, **(environment or {})}


def _reason(words: str) -> str:
    lines = [line for line in words.strip().splitlines() if re.search("error|fatal", line, re.IGNORECASE)]
    return (lines or words.strip().splitlines() or ["it gave no reason"])[0]
