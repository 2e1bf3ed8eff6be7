package object

import (
	"slices"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// write is what is to be made durable, with an audit event each.
func (d *draft) write() (Write, error) {
	w := Write{Tenant: d.uid, Expect: d.version, Secrets: d.secrets, Settles: d.settlement()}
	for _, e := range d.entries {
		if e.action == Unchanged {
			continue
		}
		c := Change{Stored: e.after, Deleted: e.action == Delete, ChangedBy: principalName(d.request.By), Narrows: narrows(e)}
		if c.Deleted {
			c.Keys = nil
		}
		var err error
		if c.Provenance, err = d.provenance(e); err != nil {
			return w, err
		}
		w.Changes = append(w.Changes, c)
		w.Events = append(w.Events, d.event(e, c.Provenance))
	}
	w.Events = append(w.Events, d.told...)
	return w, nil
}

// narrows tells whether the change can take something away or alter a decision.
// It is false only where that is plain: a client or a user that was not there
// before in any form, and labels.
func narrows(e entry) bool {
	switch e.action {
	case Create:
		return e.after.Kind != KindClient && e.after.Kind != KindUser || takesOver(e.after)
	case Update:
		return slices.ContainsFunc(e.fields, func(f FieldChange) bool {
			return f.Path != "metadata.labels" && f.Path != "metadata.managed_by"
		})
	default:
		return true
	}
}

// takesOver tells a new client whose client_id may have been somebody's before: that of a metadata document, or of a
// client that registered itself. The object counts in their place.
func takesOver(s Stored) bool {
	return s.Kind == KindClient && slices.ContainsFunc(s.Keys, func(k Key) bool {
		_, registered := id.Time(id.DynamicClient, k.Value)
		return k.Space == SpaceClientID && (registered || strings.Contains(k.Value, "://"))
	})
}

func (d *draft) event(e entry, from *Provenance) audit.Event {
	kinds := map[Action]audit.Type{Create: audit.TypeObjectCreated, Update: audit.TypeObjectChanged, Delete: audit.TypeObjectDeleted}
	event := d.path.event(d.uid, d.request, kinds[e.action])
	event.Detail = map[string]string{
		"kind": string(e.after.Kind), "name": e.after.Name, "uid": e.after.UID,
		"revision": strconv.FormatInt(e.after.Revision, 10), "manager": d.request.Manager,
	}
	if e.action == Update {
		event.Detail["fields"] = paths(e.fields)
	}
	if from != nil { // what is absent is left out
		event.Detail["hash"], event.Detail["note"] = from.Hash, from.Note
	}
	if a := d.request.Approval; a != nil {
		event.Detail["proposal"], event.Detail["approved_by"] = a.Proposal, a.By
		if d.request.Author != nil {
			event.Detail["author"] = principalName(*d.request.Author)
		}
	}
	return event
}

func (p *Path) event(t tenant.UID, r Request, kind audit.Type) audit.Event {
	now := p.c.Now()
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Trace: r.Trace, Type: kind, Outcome: audit.Changed, Principal: r.By,
	}
}

func principalName(p audit.Principal) string {
	for _, part := range []string{p.Name, p.ID} {
		if part != "" {
			return p.Kind + ":" + part
		}
	}
	return p.Kind
}
