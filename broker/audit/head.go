package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// HeadsDigest is one value that stands for where every writer is. Who noted it
// elsewhere can prove a log up to it, with the tail that no checkpoint covers yet.
func HeadsDigest(heads map[string]Head) Digest {
	h := sha256.New()
	h.Write([]byte("chancery/audit/heads/1\n"))
	for _, writer := range slices.Sorted(maps.Keys(heads)) {
		head := heads[writer]
		if head.Seq == 0 {
			continue
		}
		var seq [8]byte
		binary.BigEndian.PutUint64(seq[:], uint64(head.Seq)) //nolint:gosec // positive, or a digest that matches nothing
		h.Write([]byte(writer))
		h.Write([]byte{0})
		h.Write(seq[:])
		h.Write(head.Link[:])
	}
	return Digest(h.Sum(nil))
}
