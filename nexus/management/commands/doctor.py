import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from nexus import doctor
from nexus.readiness import State


class Command(BaseCommand):
    help = "Look at everything Nexus needs; say of each how it is and what to do. Exit code 1 if something fails."
    requires_system_checks: list[str] = []  # they are findings here

    def handle(self, *args: Any, **options: Any) -> None:
        findings = doctor.findings(timezone.now())
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            self.stdout.write(f"{finding.state:<4}  {finding.name:<{width}}  {finding.detail}")
        if any(finding.state is State.FAIL for finding in findings):
            sys.exit(1)
