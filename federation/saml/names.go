package saml

// Namespaces.
const (
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsEncrypted = "http://www.w3.org/2001/04/xmlenc#"
	nsEncrypt11 = "http://www.w3.org/2009/xmlenc11#"
	nsExcC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	nsXML       = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS     = "http://www.w3.org/2000/xmlns/"
	nsInstance  = "http://www.w3.org/2001/XMLSchema-instance"
)

// Formats of a NameID (SAML core §8.3).
const (
	NameIDEmail       = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	NameIDPersistent  = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	NameIDTransient   = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	NameIDUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	nameIDEntity      = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
)

// Bindings that are served (SAML bindings §3.4, §3.5).
const (
	BindingPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
	BindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
)

const (
	methodBearer  = "urn:oasis:names:tc:SAML:2.0:cm:bearer" //nolint:gosec // a name of the standard
	statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"
	// statusNoContext: the IdP cannot authenticate as was asked for.
	statusNoContext = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext"
	version         = "2.0"
)

// Attributes with a meaning of their own in Microsoft Entra.
const (
	entraGroups     = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"
	entraGroupsLink = "http://schemas.microsoft.com/claims/groups.link"
	entraMaxGroups  = 150
)
