package object

import "strings"

// vaultProblem: MOUNT/PATH#KEY of a KV v2 engine. Whether there is such a secret is known when it is read.
func vaultProblem(s string) string {
	if wrong := textProblem(s); wrong != "" {
		return wrong
	}
	path, key, cut := strings.Cut(s, "#")
	if !cut || key == "" || !strings.Contains(path, "/") || strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") || strings.Contains(path, "..") || strings.ContainsAny(path, "?%\\ ") {
		return "is not MOUNT/PATH#KEY"
	}
	return ""
}
