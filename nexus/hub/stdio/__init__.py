"""Stdio servers: one process each in its confinement, spoken to as an older streamable HTTP server.

Nothing here loads Django or the settings: what runs servers of others holds none of the hub's keys.
"""
