package limit

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Rate is how fast a bucket fills, and how much it holds. The zero value is no rate.
type Rate struct {
	Count int           // requests
	Per   time.Duration // in so much time
	Burst int           // requests that may come at once
}

var form = regexp.MustCompile(`^([1-9][0-9]{0,5})/(s|m|h)(?: burst ([1-9][0-9]{0,5}))?$`)

// ParseRate reads "100/s", "600/m", "36000/h", or one of them with a burst: "100/s
// burst 200". Without one, as many may come at once as the rate names. Numbers are
// whole, from 1 to 999999.
func ParseRate(text string) (Rate, error) {
	parts := form.FindStringSubmatch(text)
	if parts == nil {
		return Rate{}, fmt.Errorf("%q: a rate is expected, such as 100/s, 600/m or 100/s burst 200", text)
	}
	count, err := strconv.Atoi(parts[1])
	if err != nil {
		return Rate{}, err
	}
	rate := Rate{Count: count, Per: unit(parts[2]), Burst: count}
	if parts[3] != "" {
		if rate.Burst, err = strconv.Atoi(parts[3]); err != nil {
			return Rate{}, err
		}
	}
	return rate, nil
}

func unit(letter string) time.Duration {
	switch letter {
	case "s":
		return time.Second
	case "m":
		return time.Minute
	default: // the form knows no fourth
		return time.Hour
	}
}

// Validate refuses what would let everything through, or nothing.
func (r Rate) Validate() error {
	if r.Count < 1 || r.Per <= 0 || r.Burst < 1 {
		return fmt.Errorf("a rate of %d in %s with %d at once bounds nothing or everything", r.Count, r.Per, r.Burst)
	}
	return nil
}
