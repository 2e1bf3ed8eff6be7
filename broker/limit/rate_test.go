package limit

import (
	"strings"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"100/s":               {100, time.Second, 100},
		"1/s":                 {1, time.Second, 1},
		"600/m":               {600, time.Minute, 600},
		"36000/h":             {36000, time.Hour, 36000},
		"100/s burst 200":     {100, time.Second, 200},
		"600/m burst 1":       {600, time.Minute, 1},
		"999999/s burst 9999": {999999, time.Second, 9999},
	} {
		if got, err := ParseRate(text); err != nil || got != want || got.Validate() != nil {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "100", "100/", "/s", "100/d", "100/S", "100/sec", "100 / s", " 100/s", "100/s ", "0/s", "-1/s", "+1/s", "01/s", "1.5/s", "1e3/s",
		"1000000/s", "100/s burst", "100/s burst ", "100/s burst 0", "100/s burst -1", "100/s burst 1000000", "100/s  burst 2", "100/s burst 2 burst 3",
		"100/s Burst 2", "100/s, burst 2", "100/s\nburst 2", "100/1s", "١/s", "off", "unlimited",
	} {
		got, err := ParseRate(text)
		if err == nil {
			t.Errorf("%q became %+v", text, got)
			continue
		}
		if !strings.Contains(err.Error(), "100/s burst 200") {
			t.Errorf("%q: %v names no example", text, err)
		}
	}
}

func TestRateValidate(t *testing.T) {
	good := Rate{Count: 1, Per: time.Second, Burst: 1}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Rate){
		"count": func(r *Rate) { r.Count = 0 },
		"per":   func(r *Rate) { r.Per = 0 },
		"burst": func(r *Rate) { r.Burst = 0 },
	} {
		bad := good
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("without %s: accepted", name)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, seed := range []string{"100/s", "600/m burst 2", "0/s", "1/h burst"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := ParseRate(text); err == nil && r.Validate() != nil {
			t.Errorf("%q became %+v", text, r)
		}
	})
}
