// Package strict reads JSON that comes from outside, and refuses whatever two
// readers could understand differently: duplicate names, names that differ only
// by case (Unicode simple folding, so `sub`, `Sub` and `ſub` are one), bytes
// that are not UTF-8, a byte order mark, text after the value, nesting past 32
// levels and numbers that no IEEE 754 double can hold.
//
// What it does not check: the meaning of any member, and the size of the text
// for Value and Decode, whose callers have read it through a limit already.
//
// It depends on a JSON tokenizer and the standard library only; it must not
// know what a claim, a key or an object of the product is.
package strict
