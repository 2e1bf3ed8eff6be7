package jwks

import "math/big"

// isROCA recognises moduli made by the Infineon library of CVE-2017-15361:
// their primes are powers of 65537 modulo many small primes, and so is n. One
// good key in 2^27 would be recognised too.
func isROCA(n *big.Int) bool {
	var remainder big.Int
	for _, prime := range []int64{
		3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73,
		79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
	} {
		if !isPowerOf65537(remainder.Mod(n, big.NewInt(prime)).Int64(), prime) {
			return false
		}
	}
	return true
}

func isPowerOf65537(value, prime int64) bool {
	power := int64(1)
	for range prime {
		if power == value {
			return true
		}
		power = power * (65537 % prime) % prime
	}
	return false
}
