import ipaddress
import secrets

import pytest

from nexus import checks
from tests.nexus.running import manage

STRONG = secrets.token_urlsafe(50)


def ids(messages):
    return [message.id for message in messages]


@pytest.fixture
def production(settings):
    settings.NEXUS_PRODUCTION = True
    settings.NEXUS_BASE_URL = "https://nexus.example.com"
    settings.NEXUS_TRUSTED_PROXIES = 1
    return settings


@pytest.mark.parametrize("key", ["secret", "a" * 60, "ab" * 40])
def test_a_key_that_can_be_guessed_is_an_error(settings, key):
    settings.SECRET_KEY = key
    assert ids(checks.secret_key(None)) == ["nexus.E001"]


def test_the_key_made_at_the_first_start_is_good():
    assert checks.secret_key(None) == []


@pytest.mark.parametrize("keys", [[], ["secret"], [STRONG, "ab" * 40], [STRONG, STRONG]])
def test_field_keys_that_are_weak_missing_or_used_twice_are_an_error(settings, keys):
    settings.NEXUS_FIELD_KEYS = keys
    assert ids(checks.field_keys(None)) == ["nexus.E008"]


def test_the_secret_key_is_no_field_key(settings):
    settings.NEXUS_FIELD_KEYS = [STRONG, settings.SECRET_KEY]
    assert ids(checks.field_keys(None)) == ["nexus.E008"]


def test_several_strong_field_keys_are_good(settings):
    settings.NEXUS_FIELD_KEYS = [STRONG, secrets.token_urlsafe(50)]
    assert checks.field_keys(None) == []


def test_debug_pages_in_production_are_an_error(production):
    production.DEBUG = True
    assert ids(checks.debug_in_production(None)) == ["nexus.E002"]
    production.NEXUS_PRODUCTION = False
    assert checks.debug_in_production(None) == []


@pytest.mark.parametrize("network", ["169.254.169.254/32", "169.254.0.0/16", "0.0.0.0/0", "fe80::/10", "fd00:ec2::/32"])
def test_metadata_addresses_can_never_be_allowed(settings, network):
    settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network(network)]
    assert ids(checks.networks_that_are_never_allowed(None)) == ["nexus.E003"]


def test_private_ranges_can_be_allowed(settings):
    settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")]
    assert checks.networks_that_are_never_allowed(None) == []


@pytest.mark.parametrize("hops", [-1, 11])
def test_an_impossible_number_of_proxies_is_an_error(settings, hops):
    settings.NEXUS_TRUSTED_PROXIES = hops
    assert ids(checks.proxies(None)) == ["nexus.E004"]


def test_unknown_words_are_errors(settings):
    settings.NEXUS_ACTIVITY, settings.NEXUS_SIGN_UP = "sometimes", "maybe"
    assert ids(checks.known_words(None)) == ["nexus.E005", "nexus.E005"]


def test_the_example_address_is_no_admin_in_production(production):
    assert ids(checks.admin_address(None)) == ["nexus.E006"]
    production.NEXUS_ADMIN_EMAIL = "ops@nexus.example.com"
    assert checks.admin_address(None) == []


def test_a_short_metrics_token_is_an_error(settings):
    settings.NEXUS_METRICS_TOKEN = "letmein"
    assert ids(checks.metrics_token(None)) == ["nexus.E007"]


def test_embedded_parts_in_production_are_warnings(production):
    production.DATABASE_URL = production.REDIS_URL = production.EMAIL_URL = ""
    assert ids(checks.embedded_parts_in_production(None)) == ["nexus.W001", "nexus.W002", "nexus.W003"]
    production.NEXUS_PRODUCTION = False
    assert checks.embedded_parts_in_production(None) == []


def test_open_sign_up_in_production_is_a_warning(production):
    production.NEXUS_SIGN_UP = "open"
    assert ids(checks.open_sign_up(None)) == ["nexus.W004"]


def test_https_without_a_trusted_proxy_is_a_warning(production):
    production.NEXUS_TRUSTED_PROXIES = 0
    assert ids(checks.base_url(None)) == ["nexus.W005"]


def test_a_base_url_that_leads_elsewhere_is_a_warning(settings):
    settings.NEXUS_BASE_URL, settings.PORT = "http://localhost:8800", 8801
    assert ids(checks.base_url(None)) == ["nexus.W006"]
    settings.PORT = 8800
    assert checks.base_url(None) == []


def test_plain_http_to_others_is_a_warning(settings):
    settings.NEXUS_HOST = "0.0.0.0"
    assert ids(checks.plain_http_to_others(None)) == ["nexus.W007"]
    settings.NEXUS_HOST = "127.0.0.1"
    assert checks.plain_http_to_others(None) == []


@pytest.mark.parametrize("rate", ["0", "-5", "many"])
def test_a_rate_that_lets_nothing_through_stops_the_start(tmp_path, rate):
    done = manage(tmp_path, "check", NEXUS_RATE_TOKEN=rate)
    assert done.returncode != 0
    assert f"NEXUS_RATE_TOKEN={rate}" in done.stderr.replace("'", "")
