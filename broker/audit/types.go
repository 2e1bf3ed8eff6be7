package audit

// Registered types of event. A name once given keeps its meaning for ever.
const (
	TypeTokenIssued            Type = "token.issued"
	TypeTokenRefused           Type = "token.refused"
	TypeTokenRevoked           Type = "token.revoked"
	TypeTokensRevoked          Type = "tokens.revoked"          // everything of a client, a user or an IdP
	TypeTokensCounted          Type = "tokens.revoked.counted"  // how many of them were alive
	TypeAssertionUsed          Type = "client.assertion_used"   // at an endpoint that records nothing else
	TypeProofUsed              Type = "dpop.proof_used"         // the same, with an access token
	TypeRequestRefused         Type = "request.refused"         // before a client was authenticated
	TypeRefusalsCounted        Type = "request.refused.counted" // the rest of a flood, by key and minute
	TypeObjectCreated          Type = "object.created"
	TypeObjectChanged          Type = "object.changed"
	TypeObjectDeleted          Type = "object.deleted"
	TypeSecretCreated          Type = "secret.created"
	TypeSecretRevoked          Type = "secret.revoked"
	TypeKeyPrepared            Type = "key.prepared"
	TypeKeyActivated           Type = "key.activated"
	TypeKeyRetired             Type = "key.retired"
	TypeKeyRevoked             Type = "key.revoked"
	TypeCheckpointKeyMade      Type = "checkpoint_key.created"
	TypeInstallationSecretMade Type = "installation_secret.created"
	TypeRootKeyRotated         Type = "root_key.rotated"
	TypeRootKeyRetired         Type = "root_key.retired"
	TypeSecretsRewrapped       Type = "secrets.rewrapped"
	TypeAdminRefused           Type = "admin.refused"
	TypeAuditExported          Type = "audit.exported"
	TypeIdPTested              Type = "idp.tested"       // somebody had us connect to an IdP, or an assertion rehearsed
	TypeCaptureArmed           Type = "capture.armed"    // somebody waits for the next assertion of an IdP
	TypeCaptureRecorded        Type = "capture.recorded" // it came, and its claims are kept, sealed, until they are read
	TypeCaptureRead            Type = "capture.read"
	TypeCaptureEnded           Type = "capture.ended" // before anything was read
	TypeConsentGiven           Type = "consent.given" // a person let a client act for him
	TypeConsentWithdrawn       Type = "consent.withdrawn"
	TypeAuthorizeRefused       Type = "authorization.refused"    // a browser's request, by policy, before it was asked, or by its person
	TypeConsidered             Type = "authorization.considered" // policy allows a browser's request, before its person is asked
	TypeEvaluated              Type = "access.evaluated"         // a resource asked what policy says of a request to it
	TypeCodeIssued             Type = "code.issued"              // an authorization code
	TypeFamilyEnded            Type = "refresh_family.ended"     // refresh tokens, and what came with them
	TypeFamiliesEnded          Type = "refresh_families.ended"   // several, of a session or a person's grants
	TypeMetadataAccepted       Type = "idp.metadata_accepted"    // of a SAML IdP: the first, or by an administrator
	TypeMetadataPending        Type = "idp.metadata_pending"     // another certificate, or an endpoint that moved, waits
	TypeMetadataChanged        Type = "idp.metadata_changed"     // what needs nobody's word: something was taken away
	TypeDeviceApproved         Type = "device.approved"          // a person let a device's client act for him
	TypeDeviceDenied           Type = "device.denied"
	TypeInteractionBegun       Type = "interaction.begun"    // a link for a person was given to a client that was challenged
	TypeInteractionFinished    Type = "interaction.finished" // its person proved what was asked
	TypeInteractionRefused     Type = "interaction.refused"
	TypeApprovalRequested      Type = "approval.requested" // a client's request waits for other people
	TypeApprovalAllowed        Type = "approval.allowed"   // one of them said yes
	TypeApprovalDenied         Type = "approval.denied"    // one of them said no
	TypeApprovalLapsed         Type = "approval.lapsed"    // who allowed it could not do so any more
	TypeApprovalRefused        Type = "approval.refused"   // somebody who is not asked tried to answer
	TypePasskeyEnrolled        Type = "passkey.enrolled"
	TypePasskeyRemoved         Type = "passkey.removed"
	TypePasskeyUsed            Type = "passkey.used" // a person proved himself with it
	TypePasskeyRefused         Type = "passkey.refused"
	TypeClientRegistered       Type = "client.registered" // a client registered itself
	TypeRegistrationChanged    Type = "registration.changed"
	TypeRegistrationRemoved    Type = "registration.removed"
	TypeRegistrationsExpired   Type = "registrations.expired"      // nobody used them
	TypeRegistrationTokenMade  Type = "registration_token.created" // with it clients may register
	TypeRegistrationTokenEnded Type = "registration_token.removed"
	TypeSessionStarted         Type = "session.started" // a person signed in, or proved more
	TypeSessionEnded           Type = "session.ended"
	TypeSignInRefused          Type = "sign_in.refused"
	TypeSignInWaits            Type = "sign_in.unsolicited" // an IdP began it; the person has yet to confirm
	TypeSignInVerified         Type = "sign_in.verified"    // an IdP's word was used up, before an identity is linked by it
	TypeIdentityLinked         Type = "identity.linked"     // a person added an IdP's identity to his user
	TypeUserProvisioned        Type = "user.provisioned"    // at his first sign-in
	TypeLogoutRefused          Type = "logout.refused"
	TypeTokenVended            Type = "token.vended"       // a provider's credential was lent
	TypeConnectionCreated      Type = "connection.created" // a person connected an account of his, or did so again
	TypeConnectionRefreshed    Type = "connection.refreshed"
	TypeConnectionReauth       Type = "connection.reauth_required" // only its owner can mend it
	TypeConnectionRevoked      Type = "connection.revoked"         // nobody is lent it any more; at the provider it ends next
	TypeConnectionEnded        Type = "connection.ended"           // the credential is gone here; the detail says what became of it at the provider
	TypeConnectionSuspended    Type = "connection.suspended"
	TypeConnectionResumed      Type = "connection.resumed"
	TypeConnectionTested       Type = "connection.tested"
	TypeConnectionAlert        Type = "connection.alert"  // a stored credential needs somebody's attention
	TypeConnectRefused         Type = "connect.refused"   // by its person, by policy, or at the provider
	TypeWebhooksReplayed       Type = "webhooks.replayed" // a company is told again of what it was told
	TypeProposalMade           Type = "proposal.created"  // a change that waits for a second person, or a draft
	TypeProposalChanged        Type = "proposal.changed"  // its content, or it was put to a second person
	TypeProposalApproved       Type = "proposal.approved"
	TypeProposalRefused        Type = "proposal.refused" // somebody who may not approve it tried
	TypeProposalEnded          Type = "proposal.ended"   // rejected or dropped
	TypeShadowStarted          Type = "shadow.started"   // a draft runs beside the live policies
	TypeShadowEnded            Type = "shadow.ended"
	TypeDecisionsPurged        Type = "decisions.purged" // before their time was over
	TypeStarted                Type = "process.started"
	TypeStopped                Type = "process.stopped"
)

// Types lists the registered types.
func Types() []Type {
	return []Type{
		TypeTokenIssued, TypeTokenRefused, TypeTokenRevoked, TypeTokensRevoked, TypeTokensCounted, TypeAssertionUsed, TypeProofUsed,
		TypeRequestRefused, TypeRefusalsCounted,
		TypeObjectCreated, TypeObjectChanged, TypeObjectDeleted, TypeSecretCreated, TypeSecretRevoked,
		TypeKeyPrepared, TypeKeyActivated, TypeKeyRetired, TypeKeyRevoked, TypeCheckpointKeyMade, TypeInstallationSecretMade, TypeRootKeyRotated, TypeRootKeyRetired, TypeSecretsRewrapped,
		TypeAdminRefused, TypeAuditExported, TypeIdPTested, TypeCaptureArmed, TypeCaptureRecorded, TypeCaptureRead, TypeCaptureEnded,
		TypeConsentGiven, TypeConsentWithdrawn, TypeAuthorizeRefused, TypeConsidered, TypeEvaluated, TypeCodeIssued, TypeFamilyEnded, TypeFamiliesEnded, TypeMetadataAccepted, TypeMetadataPending, TypeMetadataChanged, TypeDeviceApproved, TypeDeviceDenied, TypeInteractionBegun, TypeInteractionFinished, TypeInteractionRefused,
		TypeApprovalRequested, TypeApprovalAllowed, TypeApprovalDenied, TypeApprovalLapsed, TypeApprovalRefused,
		TypeClientRegistered, TypeRegistrationChanged, TypeRegistrationRemoved, TypeRegistrationsExpired, TypeRegistrationTokenMade, TypeRegistrationTokenEnded,
		TypePasskeyEnrolled, TypePasskeyRemoved, TypePasskeyUsed, TypePasskeyRefused, TypeSessionStarted, TypeSessionEnded, TypeSignInRefused, TypeSignInWaits, TypeSignInVerified, TypeIdentityLinked, TypeUserProvisioned, TypeLogoutRefused,
		TypeTokenVended,
		TypeConnectionCreated, TypeConnectRefused,
		TypeConnectionRefreshed, TypeConnectionReauth, TypeConnectionRevoked, TypeConnectionEnded, TypeConnectionSuspended, TypeConnectionResumed, TypeConnectionTested, TypeConnectionAlert, TypeWebhooksReplayed,
		TypeDecisionsPurged, TypeProposalMade, TypeProposalChanged, TypeProposalApproved, TypeProposalRefused, TypeProposalEnded, TypeShadowStarted, TypeShadowEnded,
		TypeStarted, TypeStopped,
	}
}

// Registered tells whether events of the type may be written.
func (t Type) Registered() bool {
	switch t {
	case TypeTokenIssued, TypeTokenRefused, TypeTokenRevoked, TypeTokensRevoked, TypeTokensCounted, TypeAssertionUsed, TypeProofUsed,
		TypeRequestRefused, TypeRefusalsCounted,
		TypeObjectCreated, TypeObjectChanged, TypeObjectDeleted, TypeSecretCreated, TypeSecretRevoked,
		TypeKeyPrepared, TypeKeyActivated, TypeKeyRetired, TypeKeyRevoked, TypeCheckpointKeyMade, TypeInstallationSecretMade, TypeRootKeyRotated, TypeRootKeyRetired, TypeSecretsRewrapped,
		TypeAdminRefused, TypeAuditExported, TypeIdPTested, TypeCaptureArmed, TypeCaptureRecorded, TypeCaptureRead, TypeCaptureEnded,
		TypeConsentGiven, TypeConsentWithdrawn, TypeAuthorizeRefused, TypeConsidered, TypeEvaluated, TypeCodeIssued, TypeFamilyEnded, TypeFamiliesEnded, TypeMetadataAccepted, TypeMetadataPending, TypeMetadataChanged, TypeDeviceApproved, TypeDeviceDenied, TypeInteractionBegun, TypeInteractionFinished, TypeInteractionRefused,
		TypeApprovalRequested, TypeApprovalAllowed, TypeApprovalDenied, TypeApprovalLapsed, TypeApprovalRefused,
		TypeClientRegistered, TypeRegistrationChanged, TypeRegistrationRemoved, TypeRegistrationsExpired, TypeRegistrationTokenMade, TypeRegistrationTokenEnded,
		TypePasskeyEnrolled, TypePasskeyRemoved, TypePasskeyUsed, TypePasskeyRefused, TypeSessionStarted, TypeSessionEnded, TypeSignInRefused, TypeSignInWaits, TypeSignInVerified, TypeIdentityLinked, TypeUserProvisioned, TypeLogoutRefused,
		TypeTokenVended,
		TypeConnectionCreated, TypeConnectRefused,
		TypeConnectionRefreshed, TypeConnectionReauth, TypeConnectionRevoked, TypeConnectionEnded, TypeConnectionSuspended, TypeConnectionResumed, TypeConnectionTested, TypeConnectionAlert, TypeWebhooksReplayed,
		TypeDecisionsPurged, TypeProposalMade, TypeProposalChanged, TypeProposalApproved, TypeProposalRefused, TypeProposalEnded, TypeShadowStarted, TypeShadowEnded,
		TypeStarted, TypeStopped:
		return true
	default:
		return false
	}
}
