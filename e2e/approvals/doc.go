// Package approvals has people answer what agents asked for, at the built program on both engines, over two processes where
// the engine takes two: on pages, and with the command. It is for tests, and holds nothing else.
package approvals
