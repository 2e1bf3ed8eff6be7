// Package bundle writes one policy as a signed bundle of OPA's format, and reads
// such bundles back.
//
// A bundle is a gzipped tar with .manifest, data.json, Rego modules and
// .signatures.json, as "opa build" and "opa sign" make them; "opa run", "opa test"
// and "opa eval" take what is written here. What the format has no place for (role,
// applies_to, data_schema, which template it was) is in the manifest's metadata.
//
// Open is our own check, and does not lean on OPA's, which several advisories went
// past: no file is looked into before one signature of a trusted key, by its one
// algorithm, covers every file of the archive, and the archive every file of the
// signature. Signing, the check of the signature itself and the digest of a file
// are OPA's (v1/bundle).
//
// Not checked: how old a bundle is. The format has no time, and one that was
// replaced is as well signed as the one that replaced it; whoever imports sees the
// difference before it is in force.
//
// The package knows no server, no store and no command, and imports of Chancery
// only policy and rego.
package bundle
