package jwks

// MetadataURLs lists where an issuer's metadata is looked for, in order, for
// those who show what the Cache does. The error is ErrMetadata.
func MetadataURLs(issuer string) ([]string, error) { return metadataURLs(issuer) }
