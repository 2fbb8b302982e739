from django.db import migrations

SQLITE = """CREATE VIRTUAL TABLE album_itemtext USING fts5(
    title, description, ai_description, file_name, tags, people, place, camera,
    tokenize = 'unicode61 remove_diacritics 2'
)"""
# Marks are taken off letters, and what stands between words is a space: PostgreSQL's own parser takes
# img_1234.jpg for one word. Only the beginning of what is very long is found: one row holds 1 MB of words at most.
FOLD = r"""CREATE FUNCTION album_fold(words text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
SELECT lower(regexp_replace(
    regexp_replace(normalize(left(coalesce(words, ''), 50000), NFKD), '[\u0300-\u036f]+', '', 'g'),
    '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+', ' ', 'g'))
$$"""
POSTGRESQL = """CREATE TABLE album_itemtext (
    item_id bigint PRIMARY KEY, title text NOT NULL, description text NOT NULL, ai_description text NOT NULL,
    file_name text NOT NULL, tags text NOT NULL, people text NOT NULL, place text NOT NULL, camera text NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple', title || ' qzqzq ' || description || ' qzqzq ' ||
        ai_description || ' qzqzq ' || file_name || ' qzqzq ' || tags || ' qzqzq ' || people || ' qzqzq ' ||
        place || ' qzqzq ' || camera)) STORED
)"""
INDEX = "CREATE INDEX album_itemtext_words ON album_itemtext USING gin (words) WITH (fastupdate = off)"


def create(apps, schema_editor):
    """The table of the text index. Its triggers come, and rows are filled in, after the last migration."""
    postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in (FOLD, POSTGRESQL, INDEX) if postgresql else (SQLITE,):
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP VIEW IF EXISTS album_itemtext_source")
        for table in ("mediaitem", "itemtag", "itemperson", "tag", "person"):
            with schema_editor.connection.cursor() as cursor:
                cursor.execute(
                    "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE 'album_itemtext%%'",
                    [f"album_{table}"],
                )
                names = [name for (name,) in cursor.fetchall()]
            for name in names:
                schema_editor.execute(f"DROP TRIGGER {name} ON album_{table}")
        for name in ("item", "item_gone", "emptied", "tags", "people", "tag_renamed", "person_renamed"):
            schema_editor.execute(f"DROP FUNCTION IF EXISTS album_itemtext_{name}()")
    schema_editor.execute("DROP TABLE album_itemtext")
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION album_fold(text)")


class Migration(migrations.Migration):

    dependencies = [("album", "0003_album")]
    operations = [migrations.RunPython(create, remove)]
