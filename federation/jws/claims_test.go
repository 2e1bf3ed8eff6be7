package jws_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/jws"
)

// T6: the vectors of which libraries made another subject, issuer or audience.
func TestParseClaimsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		kind    error
	}{
		"Sub beside sub":            {`{"sub":"a","Sub":"admin"}`, jws.ErrClaims},
		"Sub alone":                 {`{"Sub":"admin"}`, jws.ErrClaims},
		"long s":                    {`{"sub":"a","\u017fub":"admin"}`, jws.ErrClaims},
		"long s alone":              {`{"\u017fub":"admin"}`, jws.ErrClaims},
		"ISS":                       {`{"iss":"a","ISS":"b"}`, jws.ErrClaims},
		"AUD":                       {`{"aud":"a","AUD":"b"}`, jws.ErrClaims},
		"Client_ID":                 {`{"Client_ID":"b"}`, jws.ErrClaims},
		"Email_verified":            {`{"Email_Verified":true}`, jws.ErrClaims},
		"Cnf":                       {`{"Cnf":{}}`, jws.ErrClaims},
		"duplicate sub":             {`{"sub":"a","sub":"b"}`, jws.ErrClaims},
		"duplicate by escape":       {`{"sub":"a","s\u0075b":"b"}`, jws.ErrClaims},
		"private names that fold":   {`{"role":"user","ROLE":"admin"}`, jws.ErrClaims},
		"names that fold below":     {`{"cnf":{"jkt":"a","JKT":"b"}}`, jws.ErrClaims},
		"trailing text":             {`{"sub":"a"}{}`, jws.ErrClaims},
		"byte order mark":           {"\ufeff{}", jws.ErrClaims},
		"list":                      {`[{"sub":"a"}]`, jws.ErrClaims},
		"NUL in any claim":          {`{"name":"a\u0000"}`, jws.ErrClaims},
		"depth":                     {`{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, jws.ErrClaims},
		"sub empty":                 {`{"sub":""}`, jws.ErrClaim},
		"sub null":                  {`{"sub":null}`, jws.ErrClaim},
		"sub number":                {`{"sub":1}`, jws.ErrClaim},
		"sub list":                  {`{"sub":["a"]}`, jws.ErrClaim},
		"sub of 256 bytes":          {`{"sub":"` + strings.Repeat("a", 256) + `"}`, jws.ErrClaim},
		"sub of 256 bytes in 128":   {`{"sub":"` + strings.Repeat("é", 128) + `"}`, jws.ErrClaim},
		"sub with line break":       {`{"sub":"a\nb"}`, jws.ErrClaim},
		"sub with escape":           {`{"sub":"a\u001b[2J"}`, jws.ErrClaim},
		"sub with delete":           {`{"sub":"a\u007f"}`, jws.ErrClaim},
		"sub with C1 control":       {`{"sub":"a\u0085"}`, jws.ErrClaim},
		"jti empty":                 {`{"jti":""}`, jws.ErrClaim},
		"jti number":                {`{"jti":7}`, jws.ErrClaim},
		"jti of 256 bytes":          {`{"jti":"` + strings.Repeat("a", 256) + `"}`, jws.ErrClaim},
		"jti with carriage return":  {`{"jti":"a\r"}`, jws.ErrClaim},
		"number beyond any machine": {`{"x":1e999999999}`, jws.ErrClaims},
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := jws.ParseClaims([]byte(c.payload))
			if !errors.Is(err, c.kind) {
				t.Fatalf("got %v, %v; want %v", claims, err, c.kind)
			}
			if claims.Names() != nil {
				t.Error("claims beside an error")
			}
		})
	}
}

func mustClaims(t *testing.T, payload string) jws.Claims {
	t.Helper()
	claims, err := jws.ParseClaims([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// T7: each time claim in each type that a JSON value can have.
func TestTimes(t *testing.T) {
	for _, name := range []string{"exp", "iat", "nbf", "auth_time"} {
		for value, ok := range map[string]bool{
			`0`: true, `1700000000`: true, `253402300799`: true,
			`253402300800`: false, `-1`: false, `-0`: false, `1700000000.0`: false, `1700000000.5`: false,
			`17e8`: false, `1e18`: false, `1E9`: false, `9223372036854775807`: false, `9223372036854775808`: false,
			`"1700000000"`: false, `""`: false, `null`: false, `true`: false, `false`: false,
			`[1700000000]`: false, `[]`: false, `{}`: false, `{"n":1}`: false,
		} {
			got, present, err := mustClaims(t, `{"`+name+`":`+value+`}`).Time(name)
			if !present || (err == nil) != ok {
				t.Errorf("%s %s: %v, %v", name, value, got, err)
			}
			if err != nil && (!errors.Is(err, jws.ErrClaim) || !got.IsZero()) {
				t.Errorf("%s %s: %v, %v", name, value, got, err)
			}
			if claim, is := jws.IsClaim(err); err != nil && (!is || claim != name) {
				t.Errorf("%s: the error names %q", name, claim)
			}
		}
		if got, present, err := mustClaims(t, `{}`).Time(name); present || err != nil || !got.IsZero() {
			t.Errorf("%s absent: %v, %v, %v", name, got, present, err)
		}
	}
	got, _, err := mustClaims(t, `{"exp":1700000000}`).Time("exp")
	if err != nil || got != time.Unix(1700000000, 0).UTC() {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAudience(t *testing.T) {
	for payload, c := range map[string]struct {
		values  []string
		isArray bool
		ok      bool
	}{
		`{}`:                  {nil, false, true},
		`{"aud":"a"}`:         {[]string{"a"}, false, true},
		`{"aud":["a"]}`:       {[]string{"a"}, true, true},
		`{"aud":["a","b"]}`:   {[]string{"a", "b"}, true, true},
		`{"aud":[]}`:          {[]string{}, true, true},
		`{"aud":""}`:          {nil, false, false},
		`{"aud":["a",""]}`:    {nil, false, false},
		`{"aud":null}`:        {nil, false, false},
		`{"aud":[null]}`:      {nil, false, false},
		`{"aud":["a",1]}`:     {nil, false, false},
		`{"aud":[["a"]]}`:     {nil, false, false},
		`{"aud":{"a":"b"}}`:   {nil, false, false},
		`{"aud":7}`:           {nil, false, false},
		`{"aud":true,"x":[]}`: {nil, false, false},
	} {
		values, isArray, err := mustClaims(t, payload).Audience()
		if (err == nil) != c.ok || !reflect.DeepEqual(values, c.values) || isArray != c.isArray {
			t.Errorf("%s: %#v, %v, %v", payload, values, isArray, err)
		}
	}
}

func TestTypedClaims(t *testing.T) {
	claims := mustClaims(t, `{"s":"x","b":true,"o":{"k":1},"l":[1],"n":null,"i":5,"f":5.5,"ss":["a"],"max_age":0}`)
	readers := map[string]func(name string) (bool, error){
		"String":  func(n string) (bool, error) { _, p, err := claims.String(n); return p, err },
		"Bool":    func(n string) (bool, error) { _, p, err := claims.Bool(n); return p, err },
		"Object":  func(n string) (bool, error) { _, p, err := claims.Object(n); return p, err },
		"List":    func(n string) (bool, error) { _, p, err := claims.List(n); return p, err },
		"Integer": func(n string) (bool, error) { _, p, err := claims.Integer(n); return p, err },
		"Strings": func(n string) (bool, error) { _, p, err := claims.Strings(n); return p, err },
	}
	fits := map[string]string{"String": "s", "Bool": "b", "Object": "o", "List": "l ss", "Integer": "i max_age", "Strings": "s ss"}
	for reader, read := range readers {
		for _, name := range claims.Names() {
			present, err := read(name)
			if ok := strings.Contains(" "+fits[reader]+" ", " "+name+" "); !present || ok != (err == nil) {
				t.Errorf("%s(%q): %v, %v", reader, name, present, err)
			}
		}
		if present, err := read("absent"); present || err != nil {
			t.Errorf("%s of an absent claim: %v, %v", reader, present, err)
		}
	}
	if !claims.Has("n") || claims.Has("absent") || (jws.Claims{}).Has("s") {
		t.Error("Has")
	}
}

func TestValueKeepsNumbers(t *testing.T) {
	if v, _ := mustClaims(t, `{"x":0.1}`).Value("x"); v != json.Number("0.1") {
		t.Errorf("got %#v", v)
	}
}
