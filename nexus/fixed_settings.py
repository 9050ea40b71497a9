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

# Second factors
MFA_ADAPTER = "profiles.adapter.FactorsAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "profiles.forms_security.SecondFactorForm",
    "authenticate_webauthn": "profiles.forms_security.SecondPasskeyForm",
    "login_webauthn": "profiles.forms_security.PasskeySignInForm",
}
MFA_TOTP_ISSUER = "Nexus"
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # a passkey alone signs in, so it must know its owner
MFA_RECOVERY_CODE_DIGITS = 10
