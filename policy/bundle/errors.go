package bundle

import (
	"errors"
	"fmt"
)

// Why a bundle is refused. Each is wrapped with what exactly was found.
var (
	ErrArchive   = errors.New("it is no gzipped tar of plain files")
	ErrTooLarge  = errors.New("it is larger than a policy can be")
	ErrPath      = errors.New("a file's name is no plain relative path")
	ErrDuplicate = errors.New("a file is there twice")
	ErrUnsigned  = errors.New("it is not signed")
	ErrSignature = errors.New("its signature is not valid")
	ErrKeyID     = errors.New("no trusted key has its key id")
	ErrAlgorithm = errors.New("its algorithm is not accepted")
	ErrCover     = errors.New("its signature is not of just these files")
	ErrDigest    = errors.New("a file is not what was signed")
	ErrContent   = errors.New("it holds something else than one policy")
	ErrKey       = errors.New("the key cannot be used")
)

func because(kind error, format string, args ...any) error {
	return fmt.Errorf("bundle: %w: %s", kind, fmt.Sprintf(format, args...))
}
