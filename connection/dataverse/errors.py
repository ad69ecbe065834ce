"""What can go wrong between us and the CRM, ordered as in `connection/errors.py`.

    RetryLater   Throttled · ServiceUnavailable · TimedOut · ServerFault · Unreachable · LoginUnavailable ·
                 OutcomeUnknown
    FixRecord    RowRefused · VersionMismatch · RowMissing · DuplicateKey · PayloadTooLarge
    FixSetup     AddressRefused · CertificateRefused · SignInRefused · NotAMember · UserDisabled · PrivilegeMissing ·
                 NotDataverse · AnswerTooLong · MappingFault · ChangeTrackingOff · DeltaExpired (the
                 engine heals this one by reading everything again)

Which answer of the CRM becomes which of these is decided in `diagnosis.py`.
"""

from django.utils.translation import gettext_lazy as _

from connection.errors import FixRecord, FixSetup, RetryLater


class Throttled(RetryLater):
    """The CRM asks for a pause (429); the request was not carried out (dataverse-web-api.md 10)."""

    text = _("Dynamics CRM is receiving too many requests and asks us to wait.")


class ServiceUnavailable(RetryLater):
    """The CRM is down or busy; the request was not carried out."""

    text = _("Dynamics CRM is not available right now.")


class TimedOut(ServiceUnavailable):
    """The CRM took too long over a read; less at a time may be quicker."""

    text = _("Dynamics CRM did not answer in time.")


class ServerFault(RetryLater):
    """The CRM failed while it worked on the request and rolled it back; one row may be the cause."""

    text = _("Dynamics CRM failed while it worked on the request.")


class Unreachable(RetryLater):
    """No connection came about: unknown name, refused, no TLS. Nothing was sent."""

    text = _("Dynamics CRM cannot be reached.")
    fix = _("Check that the address is right and that this computer may connect to it, then try again.")
    fix_in_job = _("Check that the address is right and that this computer may connect to it. crmbridge keeps trying.")


class LoginUnavailable(RetryLater):
    """The login server does not answer, so there is no token."""

    text = _("The login server cannot be reached.")
    fix = _("Check that this computer may connect to it, then try again.")
    fix_in_job = _("Check that this computer may connect to it. crmbridge keeps trying.")


class OutcomeUnknown(RetryLater):
    """The answer to a write was lost: nobody knows whether it landed. Read before writing again (I1)."""

    text = _("The answer of Dynamics CRM was lost, so it is not known whether the change arrived.")
    fix = _("Look whether it did, then try again.")
    fix_in_job = _("Nothing to do: crmbridge looks whether the change arrived before it tries again.")


class AddressRefused(FixSetup):
    """The address is not one that we send credentials to (libraries.md 4, SSRF)."""

    text = _("This address cannot be used for a Dynamics CRM environment.")
    fix = _("Enter the address as your browser shows it, for example https://yourcompany.crm4.dynamics.com.")


class CertificateRefused(FixSetup):
    """The TLS certificate of the other side does not prove who it is."""

    text = _("The certificate of the Dynamics CRM server cannot be trusted.")
    fix = _("Ask an administrator to check the address and the server's certificate.")


class SignInRefused(FixSetup):
    """The login server gave no token, or the CRM does not accept it."""

    text = _("The sign-in to Dynamics CRM was refused.")
    fix = _("Check tenant, client ID and client secret in the connection set-up.")


class NotAMember(FixSetup):
    """Signed in, but the environment has no usable application user for us."""

    text = _("The sign-in works, but the application is not a user of this Dynamics CRM environment.")
    fix = _("Ask a Dynamics CRM administrator to add the application as an application user with a security role.")


class UserDisabled(NotAMember):
    """The sign-in works, and the user of the application is switched off."""

    text = _("The sign-in works, but the synchronization user is disabled in Dynamics CRM, or has no business unit.")
    fix = _("Ask a Dynamics CRM administrator to enable the user in the Power Platform admin center.")


class NoRoles(NotAMember):
    """The application is a user of the environment, but has no security role (0x80042f09)."""

    text = _("The account is a user of Dynamics CRM, but has no security role yet.")
    fix = _("Let an administrator of Dynamics CRM give it its roles: the set-up's step “Synchronization user” does it.")


class PrivilegeMissing(FixSetup):
    """The synchronization user may not do this."""

    text = _("The synchronization user lacks a permission in Dynamics CRM.")
    fix = _("Ask a Dynamics CRM administrator to add the permission to the security role of the synchronization user.")


class NotDataverse(FixSetup):
    """Something answered, but it is not a Dataverse Web API."""

    text = _("The server at this address answers, but it is not Dynamics CRM.")
    fix = _("Check the address: it must be the one of the Dynamics CRM environment itself.")


class AnswerTooLong(NotDataverse):
    """An answer has more bytes, or takes longer to arrive, than any honest one that we ask for."""


class SolutionBusy(FixSetup):
    """The CRM imports or removes one solution at a time (12)."""

    text = _("Another solution is being imported into or removed from Dynamics CRM right now.")
    fix = _("Wait until that has finished, and start the import again.")


class MappingFault(FixSetup):
    """The request names a table, column or relation that the CRM does not have."""

    text = _("Dynamics CRM does not know a table or column that the mapping uses.")
    fix = _("Check the field mapping: the column may have been renamed or removed in Dynamics CRM.")


class ChangeTrackingOff(FixSetup):
    """The table does not tell what has changed since a given moment."""

    text = _("Change tracking is switched off for this table in Dynamics CRM.")
    fix = _("Switch on “Track changes” for the table in Dynamics CRM.")


class DeltaExpired(FixSetup):
    """The delta link is too old; read everything again (I4)."""

    text = _("Too much time has passed to ask Dynamics CRM only for what has changed.")
    fix = _("Nothing to do: crmbridge reads all rows once more.")


class RowRefused(FixRecord):
    """The CRM does not take the row as it is; `text` carries its reason."""

    text = _("Dynamics CRM does not accept the record.")
    fix = _("Correct the values of the record, or the field mapping, and synchronize it again.")


class Unsendable(FixRecord):
    """The row holds a value that JSON has no form for, such as half a character; it was not sent."""

    text = _("The record holds a value that cannot be sent to Dynamics CRM.")
    fix = _("Enter the texts and numbers of the record again, and synchronize it again.")


class VersionMismatch(FixRecord):
    """The row has changed since it was read (412); read and judge it again (I2)."""

    text = _("The record has been changed in Dynamics CRM in the meantime.")
    fix = _("Nothing to do: crmbridge reads the record again and decides anew.")


class RowMissing(FixRecord):
    """The row does not exist in the CRM (404)."""

    text = _("The record does not exist in Dynamics CRM.")
    fix = _("It may have been deleted there: delete the coupling, or create the record in Dynamics CRM again.")


class DuplicateKey(FixRecord):
    """A row with this id or key exists (412); on an own id it means that an earlier create landed (I1)."""

    text = _("Dynamics CRM already has a record with this key.")
    fix = _("Couple the record with the one in Dynamics CRM instead of creating it.")


class PayloadTooLarge(FixRecord):
    """The request is bigger than the CRM takes."""

    text = _("The record is larger than Dynamics CRM accepts.")
    fix = _("Shorten the long texts of the record.")
