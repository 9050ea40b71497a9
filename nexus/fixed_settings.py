"""Settings that nobody sets from outside."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tokens.api_keys.ManagementKeyAuthentication",
        "nexus.authentication.NoBearer",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated", "tokens.api_keys.NeedsScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["profiles.rest.parsing.StrictJSON"],
    "DEFAULT_THROTTLE_CLASSES": ["profiles.rest.rates.PerAsker"],
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,  # `format` is a parameter of the export
    "EXCEPTION_HANDLER": "profiles.rest.problems.problem",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Nexus",
    "VERSION": "1",
    "DESCRIPTION": "What a person can do in the portal, for programs.",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "POSTPROCESSING_HOOKS": ["profiles.rest.schema.complete"],
    "SERVERS": [],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "key": {"type": "http", "scheme": "bearer", "description": "A management key, nxsa_…"},
            "token": {"type": "http", "scheme": "bearer", "description": "A delegated token, nxs_…, for itself alone"},
            "session": {"type": "apiKey", "in": "cookie", "name": "nexus_session"},
        }
    },
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}
