"""Client ID metadata documents of clients in use, as observed in November 2026.

They let these clients in at once, and where Nexus cannot reach the internet; a fetch replaces them when one succeeds.
"""

from typing import Any

SEEDS: dict[str, dict[str, Any]] = {
    "https://claude.ai/oauth/claude-code-client-metadata": {
        "client_name": "Claude Code",
        "client_uri": "https://claude.ai",
        "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
    },
    "https://chatgpt.com/oauth/codex/client.json": {
        "client_name": "Codex",
        "client_uri": "https://chatgpt.com",
        "redirect_uris": ["http://127.0.0.1/callback"],
    },
    "https://vscode.dev/oauth/client-metadata.json": {
        "client_name": "Visual Studio Code",
        "client_uri": "https://code.visualstudio.com",
        "redirect_uris": [
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
            "https://vscode.dev/redirect",
            "https://insiders.vscode.dev/redirect",
        ],
    },
    "https://zed.dev/oauth/client-metadata.json": {
        "client_name": "Zed",
        "client_uri": "https://zed.dev",
        "redirect_uris": ["http://127.0.0.1/callback"],
    },
}
