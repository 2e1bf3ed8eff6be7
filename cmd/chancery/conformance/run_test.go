package conformance_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
	"github.com/chancery-dev/chancery/federation"
)

func settings(target string) conformance.Settings {
	s := conformance.DefaultSettings()
	s.Target, s.Rate, s.Resource, s.Scopes = target, 1000, notes, []string{"notes:read", "notes:write"}
	s.Client = conformance.Client{ID: "one", Secret: secret.New("secret-of-one")}
	s.OtherClient = conformance.Client{ID: "two", Secret: secret.New("secret-of-two")}
	return s
}

// ask runs the suite against a server with a hole.
func ask(t *testing.T, h hole, only ...string) (*conformance.Report, error) {
	t.Helper()
	s := start(t, h)
	return conformance.Run(t.Context(), settings(s.URL), conformance.Options{Now: time.Now, Only: only, Wait: s.trust})
}

func notPassed(report *conformance.Report) []string {
	var ids []string
	for _, r := range report.Results {
		if r.Outcome != conformance.Passed {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestSoundServerPasses(t *testing.T) {
	report, err := ask(t, hole{})
	if err != nil || !report.AllPassed() || report.Counts.Executed < 60 || report.Counts.NotApplicable > 0 {
		t.Errorf("%v: %s", err, report)
	}
	for _, r := range report.Results {
		if r.Outcome != conformance.Passed {
			t.Errorf("%s: %s %s: sent %s; got %s", r.ID, r.Outcome, r.Fault, r.Sent, r.Got)
		}
	}
}

func forgive(codes ...federation.Code) func(federation.Code, string) bool {
	return func(code federation.Code, _ string) bool { return slices.Contains(codes, code) }
}

// The suite can fail: a check that a server leaves out fails the cases about it, and
// no others.
func TestEachHoleFailsItsCases(t *testing.T) {
	for name, c := range map[string]struct {
		hole hole
		want string
	}{
		"audience": {hole{forgives: forgive(federation.CodeAudNotUs, federation.CodeAudMulti, federation.CodeAudIsResource)}, `assertion.aud_array_empty assertion.aud_array_of_two assertion.aud_is_resource assertion.aud_of_another_tenant
			assertion.aud_of_the_idp assertion.aud_other assertion.aud_token_endpoint assertion.aud_trailing_slash
			assertion.aud_two_in_one_string assertion.aud_upper_case`},
		"client": {hole{forgives: forgive(federation.CodeClientIDMismatch)}, `assertion.client_id_in_other_case assertion.client_id_other assertion.client_id_with_space once.other_client
			once.other_client_after_use`},
		"expiry": {hole{forgives: forgive(federation.CodeAssertionExpired, federation.CodeAssertionTooLongLived)}, `assertion.exp_at_the_epoch assertion.exp_in_a_century assertion.exp_too_far assertion.expired
			assertion.iat_long_ago`},
		"signature": {hole{forgives: forgive(federation.CodeSignatureInvalid, federation.CodeKeyUnknown)}, `assertion.claims_altered assertion.header_altered assertion.own_key_in_jku assertion.own_key_in_jwk
			assertion.own_key_in_x5c assertion.own_key_in_x5u assertion.own_key_under_own_kid assertion.signature_bit_flipped
			assertion.signature_extended assertion.signature_of_zeros assertion.signature_truncated assertion.signed_by_a_stranger`},
		"algorithm": {hole{forgives: func(code federation.Code, compact string) bool {
			return code == federation.CodeAlgorithmNotAllowed || code == federation.CodeAssertionMalformed && strings.HasSuffix(compact, ".")
		}}, `assertion.alg_in_lower_case assertion.alg_none assertion.alg_none_capital_unsigned assertion.alg_none_mixed_unsigned
			assertion.alg_none_unsigned assertion.alg_of_another_key_type assertion.alg_unknown assertion.hs256_with_public_key_as_der
			assertion.hs256_with_public_key_as_jwk assertion.hs256_with_public_key_as_pem assertion.many_dots assertion.unsecured`},
		"replay": {hole{replays: true}, `once.header_changed once.jti_reused once.parallel once.replayed
			once.replayed_later once.signature_malleable`},
		"refresh token": {hole{answers: func(a map[string]any) { a["refresh_token"] = "r" }}, `answer.no_refresh_token`},
		"lifetime":      {hole{answers: func(a map[string]any) { a["expires_in"] = 864000 }}, `answer.expires_in answer.jwt_lifetime`},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := ask(t, c.hole)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Fields(c.want)
			slices.Sort(want)
			if got := notPassed(report); !slices.Equal(got, want) {
				t.Errorf("failed:\n%s", strings.Join(got, "\n"))
			}
			if report.AllPassed() || !report.Proved {
				t.Errorf("%s", report)
			}
		})
	}
}

// Where valid assertions are refused, nothing is proved, whatever else is refused too.
func TestNothingIsProvedByAServerThatRefusesEverything(t *testing.T) {
	s := start(t, hole{})
	wrong := settings(s.URL)
	wrong.Subject = "00u9nobody"
	report, err := conformance.Run(t.Context(), wrong, conformance.Options{Now: time.Now, Wait: s.trust})
	if !errors.Is(err, conformance.ErrNothingProved) || report.AllPassed() || len(report.Results) > 0 {
		t.Errorf("%v: %s", err, report)
	}
	if !strings.Contains(report.String(), "nothing is proved") {
		t.Errorf("it says %s", report)
	}
}
