"""LicenseSpring's own client library against one address, as a test drives it.

Reads {"address", "api_key", "shared_key", "files", "calls": [[name, {arguments}], …]} from standard
input and writes one line of JSON for each call: {"ok": answer} or {"error": {status, code}}.
"""

import json
import os
import sys

from licensespring.api import APIClient
from licensespring.api.error import ClientError
from licensespring.hardware import HardwareIdProvider
from licensespring.licensefile.config import Configuration
from licensespring.licensefile.license_manager import LicenseID, LicenseManager

order = json.load(sys.stdin)


class Device(HardwareIdProvider):
    """One device, whatever machine this is."""

    def get_id(self):
        return "python-device"

    def get_hostname(self):
        return "python-host"

    def get_ip(self):
        return "127.0.0.1"


settings = {
    "api_key": order["api_key"],
    "shared_key": order["shared_key"],
    "hardware_id_provider": Device,
    "verify_license_signature": False,
    "api_protocol": "http",
    "api_domain": order["address"],
}


def managed(product, license_key):
    """The library's whole way: activate, keep a license file, check, deactivate."""
    os.makedirs(order["files"], exist_ok=True)
    manager = LicenseManager(Configuration(product=product, file_path=order["files"], **settings))
    license = manager.activate_license(LicenseID.from_key(license_key))
    license.local_check()
    license.check()
    seen = {
        "valid": license.is_valid(),
        "ends": license.validity_period().isoformat(),
        "features": sorted(license.features()),
        "custom_fields": license.custom_fields(),
    }
    license.deactivate()
    return {**seen, "active_after": license.license_active()}


client = APIClient(**settings)
known = {
    "activate": client.activate_license,
    "check": client.check_license,
    "deactivate": client.deactivate_license,
    "managed": managed,
}
for name, arguments in order["calls"]:
    try:
        print(json.dumps({"ok": known[name](**arguments)}))
    except ClientError as error:
        print(json.dumps({"error": {"status": error.status, "code": error.code}}))
