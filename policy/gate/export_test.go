package gate

// CheckAs is Check with another argument for the child.
var CheckAs = check

// EnterFrom limits this process as the child does.
func EnterFrom(memory int64) error { return enter(limits{Memory: memory, Time: Time}) }
