package authzen

import (
	"errors"
	"net/netip"
	"strings"
	"unicode"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/strict"
)

// Bounds of a message.
const (
	// MaxBody is in bytes, as at the endpoints of OAuth.
	MaxBody = oauth.MaxBody
	// MaxEvaluations is how many are asked in one message.
	MaxEvaluations = 50

	maxName  = 255  // bytes of a type, an id and an action
	maxURI   = 2048 // bytes of a resource's id
	maxToken = 16 << 10
)

// Semantic says which of several evaluations are made (§7.1.2.1).
type Semantic string

// The semantics.
const (
	ExecuteAll          Semantic = "execute_all"
	DenyOnFirstDeny     Semantic = "deny_on_first_deny"
	PermitOnFirstPermit Semantic = "permit_on_first_permit"
)

// Entity is a subject or a resource: the id counts within the type (§5.1, §5.2). Its properties are not read: facts come from
// what is known here, and not from who asks.
type Entity struct{ Type, ID string }

// Context is what is read of a context (§5.4); what is absent is zero.
type Context struct {
	// AccessToken is a token of ours with which the subject came to the resource.
	AccessToken string
	// ClientID is the client that acts for the subject: client_id, or agent, as gateways for MCP call it.
	ClientID string
	// IP is from where the subject came to the resource.
	IP netip.Addr
}

// Evaluation is one question (§6.1). Only Parse makes one that is complete.
type Evaluation struct {
	Subject  Entity
	Action   string
	Resource Entity
	Context  Context
}

// Item is one evaluation of a message, or why it is none.
type Item struct {
	Evaluation Evaluation
	Malformed  *oauth.Error
}

// Request is a message: what is asked, and how its client authenticates where it does so in the body.
type Request struct {
	Items []Item
	// Boxed: the answer is a list.
	Boxed    bool
	Semantic Semantic

	ClientID      string
	Assertion     string // client_assertion (RFC 7523 §2.2)
	AssertionType string
}

// String says nothing of credentials and tokens.
func (r Request) String() string { return "an authorization request" }

// GoString is String, for %#v.
func (r Request) GoString() string { return r.String() }

// errText marks what is no string that is taken.
var errText = errors.New("not a string within its bounds")

// Parse reads a message. boxed allows a list of evaluations (§7.1); where none is there, it is a single one. Members that are
// not known are ignored (§10.1.1), members that appear twice are not taken (§11.5). An evaluation of a list that cannot be read
// does not spoil the others (§7.2.1).
func Parse(body []byte, boxed bool) (Request, error) {
	message, err := strict.Object(body, strict.Limits{Bytes: MaxBody, NoNUL: true})
	if err != nil {
		return Request{}, &oauth.Error{Code: oauth.CodeEvaluationMalformed, Received: "no JSON object that can be read", Expected: "a JSON object", Cause: err}
	}
	var r Request
	if err := r.credentials(message); err != nil {
		return Request{}, err
	}
	list, err := listed(message, boxed)
	if err != nil {
		return Request{}, err
	}
	if len(list) == 0 {
		item := read(message, nil)
		if item.Malformed != nil {
			return Request{}, item.Malformed
		}
		r.Items, r.Semantic = []Item{item}, ExecuteAll
		return r, nil
	}
	r.Boxed = true
	if r.Semantic, err = semantic(message); err != nil {
		return Request{}, err
	}
	for _, one := range list {
		own, ok := one.(map[string]any)
		if !ok {
			r.Items = append(r.Items, Item{Malformed: malformed("an evaluation that is no object", "an object")})
			continue
		}
		r.Items = append(r.Items, read(own, message))
	}
	return r, nil
}

// credentials are how a client authenticates that signs (docs/authzen.md): a header carries none.
func (r *Request) credentials(message map[string]any) error {
	var err error
	for name, into := range map[string]*string{"client_id": &r.ClientID, "client_assertion": &r.Assertion, "client_assertion_type": &r.AssertionType} {
		if *into, err = text(message, name, maxToken); err != nil {
			return malformed(name, "a string")
		}
	}
	return nil
}

func listed(message map[string]any, boxed bool) ([]any, error) {
	value, there := message["evaluations"]
	if !boxed || !there {
		return nil, nil
	}
	list, ok := value.([]any)
	switch {
	case !ok:
		return nil, malformed("evaluations that are no array", "an array")
	case len(list) > MaxEvaluations:
		return nil, oauth.Refuse(oauth.CodeEvaluationsTooMany, "more than 50 evaluations", "at most 50")
	}
	return list, nil
}

// semantic of a name that is not known is not guessed: less than all would be read as all.
func semantic(message map[string]any) (Semantic, error) {
	value, there := message["options"]
	if !there {
		return ExecuteAll, nil
	}
	options, ok := value.(map[string]any)
	if !ok {
		return "", malformed("options that are no object", "an object")
	}
	chosen, there := options["evaluations_semantic"]
	if !there {
		return ExecuteAll, nil
	}
	name, _ := chosen.(string)
	switch s := Semantic(name); s {
	case ExecuteAll, DenyOnFirstDeny, PermitOnFirstPermit:
		return s, nil
	default:
		return "", malformed("options.evaluations_semantic", "execute_all, deny_on_first_deny or permit_on_first_permit")
	}
}

// read takes each of the four members from own, or else whole from defaults (§7.1.1).
func read(own, defaults map[string]any) Item {
	pick := func(name string) (any, bool) {
		if value, there := own[name]; there {
			return value, true
		}
		value, there := defaults[name]
		return value, there
	}
	var e Evaluation
	var refusal *oauth.Error
	if e.Subject, refusal = entity(pick, "subject", maxName, oauth.CodeEvaluationSubjectMissing); refusal != nil {
		return Item{Malformed: refusal}
	}
	if e.Action, refusal = action(pick); refusal != nil {
		return Item{Malformed: refusal}
	}
	if e.Resource, refusal = entity(pick, "resource", maxURI, oauth.CodeEvaluationResourceMissing); refusal != nil {
		return Item{Malformed: refusal}
	}
	if e.Context, refusal = surroundings(pick); refusal != nil {
		return Item{Malformed: refusal}
	}
	return Item{Evaluation: e}
}

type picking func(name string) (any, bool)

// entity reads {type, id} (§5.1, §5.2), both of which are required.
func entity(pick picking, name string, longest int, missing oauth.Code) (Entity, *oauth.Error) {
	value, there := pick(name)
	if !there {
		return Entity{}, oauth.Refuse(missing, "no "+name, name)
	}
	members, ok := value.(map[string]any)
	if !ok {
		return Entity{}, malformed(name+" that is no object", "an object")
	}
	for _, required := range []string{"type", "id"} {
		if _, there := members[required]; !there {
			return Entity{}, oauth.Refuse(missing, "no "+name+"."+required, name+"."+required)
		}
	}
	kind, err := text(members, "type", maxName)
	id, err2 := text(members, "id", longest)
	if err != nil || err2 != nil || kind == "" || id == "" {
		return Entity{}, malformed(name+".type or "+name+".id", "strings within their bounds")
	}
	if !objectOrAbsent(members, "properties") {
		return Entity{}, malformed(name+".properties that are no object", "an object")
	}
	return Entity{Type: kind, ID: id}, nil
}

// action reads {name} (§5.3).
func action(pick picking) (string, *oauth.Error) {
	value, there := pick("action")
	if !there {
		return "", oauth.Refuse(oauth.CodeEvaluationActionMissing, "no action", "action")
	}
	members, ok := value.(map[string]any)
	if !ok {
		return "", malformed("action that is no object", "an object")
	}
	if _, there := members["name"]; !there {
		return "", oauth.Refuse(oauth.CodeEvaluationActionMissing, "no action.name", "action.name")
	}
	name, err := text(members, "name", maxName)
	if err != nil || name == "" || !objectOrAbsent(members, "properties") {
		return "", malformed("action", "a name and an object of properties")
	}
	return name, nil
}

// surroundings reads what is known of a context. A member that is known and cannot be read is refused: left out, it would
// read as not said.
func surroundings(pick picking) (Context, *oauth.Error) {
	value, there := pick("context")
	if !there {
		return Context{}, nil
	}
	members, ok := value.(map[string]any)
	if !ok {
		return Context{}, malformed("context that is no object", "an object")
	}
	var c Context
	var agent, ip string
	for name, into := range map[string]*string{"access_token": &c.AccessToken, "client_id": &c.ClientID, "agent": &agent, "ip": &ip} {
		longest := maxURI
		if name == "access_token" {
			longest = maxToken
		}
		found, err := text(members, name, longest)
		if _, there := members[name]; err != nil || there && found == "" {
			return Context{}, malformed("context."+name, "a string within its bounds")
		}
		*into = found
	}
	switch {
	case c.ClientID == "":
		c.ClientID = agent
	case agent != "" && agent != c.ClientID:
		return Context{}, malformed("context.client_id and context.agent that differ", "one client")
	}
	if ip != "" {
		address, err := netip.ParseAddr(ip)
		if err != nil || address.Zone() != "" {
			return Context{}, malformed("context.ip", "an IP address")
		}
		c.IP = address.Unmap()
	}
	return c, nil
}

// text reads a string without control characters; "" is one that is absent, or empty.
func text(members map[string]any, name string, longest int) (string, error) {
	value, there := members[name]
	if !there {
		return "", nil
	}
	s, ok := value.(string)
	if !ok || len(s) > longest || strings.ContainsFunc(s, unicode.IsControl) {
		return "", errText
	}
	return s, nil
}

func objectOrAbsent(members map[string]any, name string) bool {
	value, there := members[name]
	_, object := value.(map[string]any)
	return !there || object
}

func malformed(received, expected string) *oauth.Error {
	return oauth.Refuse(oauth.CodeEvaluationMalformed, received, expected)
}
