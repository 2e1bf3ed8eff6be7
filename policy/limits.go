package policy

import "time"

// Limits on what a Policy object may hold. They are the same at apply, at
// publish and when a snapshot is built.
const (
	// MaxModules bounds the modules, and the test files, of one policy.
	MaxModules = 32
	// MaxModuleSize bounds one module or test file, in bytes.
	MaxModuleSize = 64 << 10
	// MaxModuleDepth bounds the nesting that the parser follows in a module.
	MaxModuleDepth = 300
	// MaxDataSize bounds Data, in bytes of the values it holds (not of its text).
	MaxDataSize = 32 << 20
	// MaxDataDepth bounds the nesting of Data and of anything in Input.
	MaxDataDepth = 32
	// MaxSchemaSize bounds DataSchema, in bytes as for Data.
	MaxSchemaSize = 64 << 10
	// MaxInputSize bounds the values of one Input, in bytes.
	MaxInputSize = 256 << 10
)

// Limits on what a policy may answer. decision.v1.json says the same.
const (
	maxScopes      = 1024
	maxDeny        = 64
	maxReasons     = 64
	maxACRValues   = 16
	maxClaims      = 32
	maxClaimsDepth = 6
	maxClaimsNodes = 512
	maxText        = 1024 // characters of a string in a result
	maxCode        = 64
	maxSeconds     = 315_360_000 // ten years: longer is cut to it
)

// Limits on evaluation.
const (
	// DefaultBudget bounds one decision, all its policies together.
	DefaultBudget = 50 * time.Millisecond
	// waitForTurn is how many budgets a decision waits for its first evaluation to begin.
	waitForTurn = 10
	// starvedFor is how many budgets an evaluation has that got nowhere, for want of a
	// core: one that takes fewSteps or more in the first has no second.
	starvedFor = 4
	fewSteps   = 2000
	// abandonAfter is how many budgets pass before an evaluation that did not
	// heed its cancellation is left behind.
	abandonAfter = 5
	// slotsPerCore is how many evaluations of one policy run at a time, for each core.
	slotsPerCore = 2
	// farShare is the part of the cores' evaluators elsewhere that one set may use: one of so many.
	farShare = 2
	// A policy that had its evaluator killed deathsInARow times, and did not once end in time between, is not asked for
	// shortRest; after the next time twice as long, up to longRest.
	deathsInARow = 3
	shortRest    = time.Second
	longRest     = 32 * time.Second
	// maxIdleWorkers bounds the goroutines kept to evaluate.
	maxIdleWorkers = 64
	// testBudget bounds one test of the tests member, indexBudget the evaluation
	// of an index package.
	testBudget = time.Second
	// besideWait is how long what no request waits for waits for an evaluator elsewhere.
	besideWait  = 5 * time.Second
	indexBudget = 5 * time.Second
)

// Limits inside evaluation, enforced by the bounded built-ins.
const (
	maxString      = 64 << 10 // bytes that one call may build
	maxArray       = 64 << 10 // members that one call may build
	maxNumberText  = 400      // digits of a number that arithmetic touches
	maxExponent    = 400
	maxPattern     = 256 // bytes of a regular expression
	maxPatternSize = 2048
	maxMatchWork   = 4 << 20 // instructions × bytes of one match
	maxFormatWidth = 3       // digits of a width or precision in sprintf
)
