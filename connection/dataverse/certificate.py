"""The certificate that an application signs in with instead of a secret (dataverse-web-api.md 2.1, 2.5)."""

import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.errors import FixSetup
from connection.masking import register_secret

# No key with its chain is longer.
MOST_CHARACTERS = 64 * 1024
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class CertificateUnusable(FixSetup):
    """What was given is not a certificate with its private key, or not one that can sign in."""

    text = _("This is not a certificate with its private key.")
    fix = _("Give a PEM file that holds both the private key and the certificate.")


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """A private key and its certificate. `private_key` and `public_certificate` are PEM texts."""

    private_key: str
    public_certificate: str
    thumbprint: str
    expires_at: datetime

    @classmethod
    def parse(cls, pem: str) -> "Certificate":
        """The certificate in `pem`, which holds the private key too. Raises CertificateUnusable, saying why."""
        key = _private_key(pem)
        matching = [found for found in _certificates(pem) if found.public_key() == key.public_key()]
        if not matching:
            raise CertificateUnusable(_("The private key does not belong to the certificate."))
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        register_secret(plain)
        public = matching[0].public_bytes(Encoding.PEM).decode()
        thumbprint = matching[0].fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 -- a name, as Entra ID shows it
        return cls(plain, public, thumbprint, matching[0].not_valid_after_utc)

    @property
    def pem(self) -> str:
        """Key and certificate, as `parse` takes them."""
        return self.private_key + self.public_certificate

    @property
    def is_expired(self) -> bool:
        """Whether the login server would refuse it for its age."""
        return self.expires_at <= timezone.now()

    def __repr__(self) -> str:
        return f"Certificate({self.thumbprint})"


def _private_key(pem: str) -> RSAPrivateKey:
    if len(pem) > MOST_CHARACTERS:
        raise CertificateUnusable
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise CertificateUnusable(
            _("The private key is protected by a password."), fix=_("Give the file without a password.")
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateUnusable from None
    if not isinstance(key, RSAPrivateKey):
        raise CertificateUnusable(_("The login server takes only RSA keys."))
    return key


def _certificates(pem: str) -> list[x509.Certificate]:
    try:
        return [x509.load_pem_x509_certificate(found.encode()) for found in _CERTIFICATE.findall(pem)]
    except ValueError:
        raise CertificateUnusable from None
