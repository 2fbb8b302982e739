"""Names of static files: after ``collectstatic`` with the hash of their content, so that browsers keep them."""

from __future__ import annotations

from django.core.files.base import File
from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names and compressed copies, imports between ES modules included.

    What was not collected goes by its own name: all files of tests and of a checkout without ``collectstatic``, and
    what a library only mentions, as the extensions of htmx do with the module that they are written for.
    """

    support_js_module_import_aggregation = True
    manifest_strict = False

    def hashed_name(self, name: str, content: File[bytes] | None = None, filename: str | None = None) -> str:
        try:
            return str(super().hashed_name(name, content, filename))
        except ValueError:
            return name
