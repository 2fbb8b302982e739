-- What each item is found by, kept by the database itself. Statements are separated by empty lines.
-- "qzqzq" stands between two tags or people, so that no phrase reaches from one into the next.

CREATE OR REPLACE VIEW album_itemtext_source AS
SELECT item.id AS item_id, album_fold(item.title) AS title, album_fold(item.description) AS description,
    album_fold(item.ai_description) AS ai_description, album_fold(item.original_name) AS file_name,
    album_fold((SELECT string_agg(DISTINCT tag.name, ' qzqzq ') FROM album_itemtag link
        JOIN album_tag tag ON tag.id = link.tag_id
        WHERE link.item_id = item.id AND NOT EXISTS (
            SELECT 1 FROM album_itemtag removed WHERE removed.item_id = link.item_id
            AND removed.tag_id = link.tag_id AND removed.source = 'removed'))) AS tags,
    album_fold((SELECT string_agg(person.name, ' qzqzq ') FROM album_itemperson link
        JOIN album_person person ON person.id = link.person_id
        WHERE link.item_id = item.id AND link.source <> 'removed')) AS people,
    album_fold(concat_ws(', ', item.city, item.region, item.country)) AS place, album_fold(item.camera) AS camera
FROM album_mediaitem item

CREATE OR REPLACE FUNCTION album_itemtext_item() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO album_itemtext SELECT * FROM album_itemtext_source WHERE item_id = new.id
    ON CONFLICT (item_id) DO UPDATE SET title = excluded.title, description = excluded.description,
        ai_description = excluded.ai_description, file_name = excluded.file_name, place = excluded.place,
        camera = excluded.camera;
    RETURN NULL;
END $$

CREATE OR REPLACE FUNCTION album_itemtext_item_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM album_itemtext WHERE item_id IN (SELECT id FROM changed);
    RETURN NULL;
END $$

CREATE OR REPLACE FUNCTION album_itemtext_emptied() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    TRUNCATE album_itemtext;
    RETURN NULL;
END $$

CREATE OR REPLACE FUNCTION album_itemtext_tags() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE album_itemtext words SET tags = source.tags FROM album_itemtext_source source
    WHERE source.item_id = words.item_id AND words.item_id IN (SELECT item_id FROM changed);
    RETURN NULL;
END $$

CREATE OR REPLACE FUNCTION album_itemtext_people() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE album_itemtext words SET people = source.people FROM album_itemtext_source source
    WHERE source.item_id = words.item_id AND words.item_id IN (SELECT item_id FROM changed);
    RETURN NULL;
END $$

CREATE OR REPLACE FUNCTION album_itemtext_tag_renamed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE album_itemtext words SET tags = source.tags FROM album_itemtext_source source
    WHERE source.item_id = words.item_id
        AND words.item_id IN (SELECT item_id FROM album_itemtag WHERE tag_id = new.id);
    RETURN NULL;
END $$

CREATE OR REPLACE FUNCTION album_itemtext_person_renamed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE album_itemtext words SET people = source.people FROM album_itemtext_source source
    WHERE source.item_id = words.item_id
        AND words.item_id IN (SELECT item_id FROM album_itemperson WHERE person_id = new.id);
    RETURN NULL;
END $$

CREATE OR REPLACE TRIGGER album_itemtext_item_added AFTER INSERT ON album_mediaitem
FOR EACH ROW EXECUTE FUNCTION album_itemtext_item()

CREATE OR REPLACE TRIGGER album_itemtext_item_changed AFTER UPDATE ON album_mediaitem
FOR EACH ROW WHEN ((old.title, old.description, old.ai_description, old.original_name, old.city, old.region,
    old.country, old.camera) IS DISTINCT FROM (new.title, new.description, new.ai_description, new.original_name,
    new.city, new.region, new.country, new.camera)) EXECUTE FUNCTION album_itemtext_item()

CREATE OR REPLACE TRIGGER album_itemtext_item_gone AFTER DELETE ON album_mediaitem
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_item_gone()

CREATE OR REPLACE TRIGGER album_itemtext_emptied AFTER TRUNCATE ON album_mediaitem
FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_emptied()

CREATE OR REPLACE TRIGGER album_itemtext_tag_added AFTER INSERT ON album_itemtag
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_tags()

CREATE OR REPLACE TRIGGER album_itemtext_tag_changed AFTER UPDATE ON album_itemtag
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_tags()

CREATE OR REPLACE TRIGGER album_itemtext_tag_moved AFTER UPDATE ON album_itemtag
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_tags()

CREATE OR REPLACE TRIGGER album_itemtext_tag_gone AFTER DELETE ON album_itemtag
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_tags()

CREATE OR REPLACE TRIGGER album_itemtext_tag_renamed AFTER UPDATE ON album_tag
FOR EACH ROW WHEN (old.name <> new.name) EXECUTE FUNCTION album_itemtext_tag_renamed()

CREATE OR REPLACE TRIGGER album_itemtext_person_added AFTER INSERT ON album_itemperson
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_people()

CREATE OR REPLACE TRIGGER album_itemtext_person_changed AFTER UPDATE ON album_itemperson
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_people()

CREATE OR REPLACE TRIGGER album_itemtext_person_moved AFTER UPDATE ON album_itemperson
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_people()

CREATE OR REPLACE TRIGGER album_itemtext_person_gone AFTER DELETE ON album_itemperson
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION album_itemtext_people()

CREATE OR REPLACE TRIGGER album_itemtext_person_renamed AFTER UPDATE ON album_person
FOR EACH ROW WHEN (old.name <> new.name) EXECUTE FUNCTION album_itemtext_person_renamed()
