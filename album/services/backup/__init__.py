"""Backups that can be trusted: made whole, checked by content, restored in one step or not at all.

A folder for backups looks like this; nothing in it is ever rewritten::

    000001-2026-11-21-full/manifest.jsonl     written last: a folder without it is no backup
    000001-2026-11-21-full/database.sqlite3   or database.sql.gz, of PostgreSQL
    files/ab/<sha256>.jpg                     each content once, for all backups of the folder
"""
