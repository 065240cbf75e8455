package plan

// View is a plan for programs, with stable keys (`shunt plan -o json`).
type View struct {
	Hash     string     `json:"hash"`
	IPv6     bool       `json:"ipv6"`
	Inbound  []RuleView `json:"inbound"`
	Outbound []RuleView `json:"outbound"`
}

// RuleView is a rule for programs. Absent matches hold for everything.
type RuleView struct {
	Name    string      `json:"name"`
	Match   MatchView   `json:"match"`
	Verdict VerdictView `json:"verdict"`
	Reason  string      `json:"reason"`
}

// MatchView is a match for programs; every list is of texts such as "80-90".
type MatchView struct {
	Protocol         string   `json:"protocol,omitempty"`
	DestinationPorts []string `json:"destinationPorts,omitempty"`
	Sources          []string `json:"sources,omitempty"`
	Destinations     []string `json:"destinations,omitempty"`
	UIDs             []string `json:"uids,omitempty"`
	GIDs             []string `json:"gids,omitempty"`
	OutInterface     string   `json:"outInterface,omitempty"`
	DestinationLocal bool     `json:"destinationLocal,omitempty"`
}

// VerdictView is a verdict for programs.
type VerdictView struct {
	Action string `json:"action"` // "bypass" or "redirect"
	Port   uint16 `json:"port,omitempty"`
}

// View returns the plan for programs.
func (p Plan) View() View {
	return View{Hash: p.Hash(), IPv6: p.IPv6, Inbound: views(p.Inbound), Outbound: views(p.Outbound)}
}

func views(rules []Rule) []RuleView {
	out := make([]RuleView, len(rules))
	for i, r := range rules {
		out[i] = RuleView{Name: r.Name, Match: r.Match.view(), Verdict: r.Verdict.View(), Reason: r.Reason}
	}
	return out
}

// View returns the verdict for programs.
func (v Verdict) View() VerdictView {
	if v.Kind == Redirect {
		return VerdictView{"redirect", v.Port}
	}
	return VerdictView{Action: "bypass"}
}

func (m Match) view() MatchView {
	v := MatchView{
		DestinationPorts: texts(m.DstPorts, AppendPorts),
		Sources:          texts(m.Src, AppendPrefix),
		Destinations:     texts(m.Dst, AppendPrefix),
		UIDs:             texts(m.UID, AppendIDs),
		GIDs:             texts(m.GID, AppendIDs),
		OutInterface:     m.OutInterface,
		DestinationLocal: m.DstLocal,
	}
	if m.TCP {
		v.Protocol = "tcp"
	}
	return v
}

func texts[T any](list []T, one func([]byte, T) []byte) []string {
	var out []string
	for _, v := range list {
		out = append(out, string(one(nil, v)))
	}
	return out
}
