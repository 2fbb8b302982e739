"""Names of static files: after ``collectstatic`` with the hash of their content, so that browsers keep them."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names and compressed copies, imports between ES modules included.

    What was not collected, in tests and on a machine that runs from its checkout, is served under its own name.
    """

    support_js_module_import_aggregation = True

    def stored_name(self, name: str) -> str:
        try:
            return str(super().stored_name(name))
        except ValueError:
            return name
