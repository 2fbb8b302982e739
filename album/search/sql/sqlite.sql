-- What each item is found by, kept by the database itself. Statements are separated by empty lines.
-- "qzqzq" stands between two tags or people, so that no phrase reaches from one into the next.
-- While a batch holds an item, the tags that it takes away and gives do not count one by one: what the item is found
-- by is written once, when the batch lets go of it. What people and files say is written at once.

CREATE VIEW album_itemtext_source AS
SELECT item.id AS item_id, item.title, item.description, item.ai_description, item.original_name AS file_name,
    (SELECT group_concat(name, ' qzqzq ') FROM (
        SELECT DISTINCT tag.name FROM album_itemtag link JOIN album_tag tag ON tag.id = link.tag_id
        WHERE link.item_id = item.id AND NOT EXISTS (
            SELECT 1 FROM album_itemtag removed WHERE removed.item_id = link.item_id
            AND removed.tag_id = link.tag_id AND removed.source = 'removed')
    )) AS tags,
    (SELECT group_concat(person.name, ' qzqzq ') FROM album_itemperson link
        JOIN album_person person ON person.id = link.person_id
        WHERE link.item_id = item.id AND link.source <> 'removed') AS people,
    item.city || ', ' || item.region || ', ' || item.country AS place, item.camera
FROM album_mediaitem item

CREATE TRIGGER album_itemtext_item_added AFTER INSERT ON album_mediaitem BEGIN
    INSERT INTO album_itemtext(rowid, title, description, ai_description, file_name, place, camera)
    VALUES (new.id, new.title, new.description, new.ai_description, new.original_name,
        new.city || ', ' || new.region || ', ' || new.country, new.camera);
END

CREATE TRIGGER album_itemtext_item_changed
AFTER UPDATE OF title, description, ai_description, original_name, city, region, country, camera, processing_status
ON album_mediaitem
WHEN old.title <> new.title OR old.description <> new.description OR old.ai_description <> new.ai_description
    OR old.original_name <> new.original_name OR old.city <> new.city OR old.region <> new.region
    OR old.country <> new.country OR old.camera <> new.camera
    OR (old.processing_status = 'processing' AND new.processing_status <> 'processing')
BEGIN
    UPDATE album_itemtext SET title = new.title, description = new.description,
        ai_description = new.ai_description, file_name = new.original_name,
        tags = (SELECT tags FROM album_itemtext_source WHERE item_id = new.id),
        place = new.city || ', ' || new.region || ', ' || new.country, camera = new.camera
    WHERE rowid = new.id;
END

CREATE TRIGGER album_itemtext_item_gone AFTER DELETE ON album_mediaitem BEGIN
    DELETE FROM album_itemtext WHERE rowid = old.id;
END

CREATE TRIGGER album_itemtext_tag_added AFTER INSERT ON album_itemtag
WHEN new.source IN ('person', 'removed', 'file')
    OR (SELECT processing_status FROM album_mediaitem WHERE id = new.item_id) <> 'processing'
BEGIN
    UPDATE album_itemtext SET tags = (SELECT tags FROM album_itemtext_source WHERE item_id = new.item_id)
    WHERE rowid = new.item_id;
END

CREATE TRIGGER album_itemtext_tag_changed AFTER UPDATE OF item_id, tag_id, source ON album_itemtag
WHEN old.item_id <> new.item_id OR old.tag_id <> new.tag_id OR old.source <> new.source
BEGIN
    UPDATE album_itemtext SET tags = (SELECT tags FROM album_itemtext_source source WHERE source.item_id = album_itemtext.rowid)
    WHERE rowid IN (old.item_id, new.item_id);
END

CREATE TRIGGER album_itemtext_tag_gone AFTER DELETE ON album_itemtag
WHEN old.source IN ('person', 'removed', 'file')
    OR (SELECT processing_status FROM album_mediaitem WHERE id = old.item_id) <> 'processing'
BEGIN
    UPDATE album_itemtext SET tags = (SELECT tags FROM album_itemtext_source WHERE item_id = old.item_id)
    WHERE rowid = old.item_id;
END

CREATE TRIGGER album_itemtext_tag_renamed AFTER UPDATE OF name ON album_tag WHEN old.name <> new.name BEGIN
    UPDATE album_itemtext SET tags = (SELECT tags FROM album_itemtext_source source WHERE source.item_id = album_itemtext.rowid)
    WHERE rowid IN (SELECT item_id FROM album_itemtag WHERE tag_id = new.id);
END

CREATE TRIGGER album_itemtext_person_added AFTER INSERT ON album_itemperson BEGIN
    UPDATE album_itemtext SET people = (SELECT people FROM album_itemtext_source WHERE item_id = new.item_id)
    WHERE rowid = new.item_id;
END

CREATE TRIGGER album_itemtext_person_changed AFTER UPDATE OF item_id, person_id, source ON album_itemperson
WHEN old.item_id <> new.item_id OR old.person_id <> new.person_id OR old.source <> new.source
BEGIN
    UPDATE album_itemtext SET people = (SELECT people FROM album_itemtext_source source WHERE source.item_id = album_itemtext.rowid)
    WHERE rowid IN (old.item_id, new.item_id);
END

CREATE TRIGGER album_itemtext_person_gone AFTER DELETE ON album_itemperson BEGIN
    UPDATE album_itemtext SET people = (SELECT people FROM album_itemtext_source WHERE item_id = old.item_id)
    WHERE rowid = old.item_id;
END

CREATE TRIGGER album_itemtext_person_renamed AFTER UPDATE OF name ON album_person WHEN old.name <> new.name BEGIN
    UPDATE album_itemtext SET people = (SELECT people FROM album_itemtext_source source WHERE source.item_id = album_itemtext.rowid)
    WHERE rowid IN (SELECT item_id FROM album_itemperson WHERE person_id = new.id);
END
