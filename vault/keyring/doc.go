// Package keyring is the local Sealer: root keys in one file that only its owner
// can read, the newest of which seals, all of which open.
//
// Each root key gives its sealing key by derivation, and keys for other purposes of
// the installation (Derive); each blob is sealed under
// a key of its own (C2SP XAES-256-GCM). The file is written whole or not at all,
// and never over keys that another process has added meanwhile: losing a root key
// loses everything that was sealed with it.
//
// What it does not check: who else can read the machine's memory, disk or backups.
//
// It depends on the standard library, a JSON decoder and package vault only.
package keyring
