from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    """Hashed names, also in the imports of ES modules."""

    support_js_module_import_aggregation = True
