package playground

import (
	"maps"
	"slices"

	"shunt/config"
	"shunt/explain"
	"shunt/manifest"
	"shunt/plan"
	"shunt/pods"
)

// Change is a setting that would change the verdict, or several that would do it
// together.
type Change struct {
	Settings []explain.Change `json:"settings"`
	Edit     *Edit            `json:"edit,omitempty"` // nil: no annotation says it
}

// Edit is what would be written into the manifest.
type Edit struct {
	Annotations []Annotation `json:"annotations"` // of the workload's pods
}

// Annotation is one, and its new value.
type Annotation struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// asked is a request for one workload.
type asked struct {
	*Request
	set *manifest.Set
	w   *manifest.Object
}

// with returns the workload as it would be with annotations on its pods.
func (a *asked) with(annotations []Annotation) *manifest.Object {
	w, pod := *a.w, *a.w.Pod
	pod.Annotations = maps.Clone(pod.Annotations)
	if pod.Annotations == nil {
		pod.Annotations = manifest.Texts{}
	}
	for _, n := range annotations {
		pod.Annotations[n.Key] = manifest.Text{Value: n.Value}
	}
	w.Pod = &pod
	return &w
}

// inject returns what would make the workload injected, nil if its annotation is
// not what is missing.
func (a *asked) inject() *Edit {
	edit := []Annotation{{pods.Inject, "enabled"}}
	if !a.w.FromValues() && a.set.Injection(a.with(edit)).Injected {
		return &Edit{edit}
	}
	return nil
}

// changes returns the changes that explain offers, each with the annotations that
// make it.
func (a *asked) changes(e *explain.Explanation, c *config.Config, q *explain.Question) []Change {
	out := []Change{}
	for _, ch := range e.Changes {
		if ch.Together && len(out) > 0 {
			out[0].Settings = append(out[0].Settings, ch)
			continue
		}
		out = append(out, Change{Settings: []explain.Change{ch}})
	}
	if a.w.FromValues() { // how the chart takes an annotation is not known
		return out
	}
	for i := range out {
		tried := [][]Annotation{{}} // one after the other, until one does it
		for _, ch := range out[i].Settings {
			var longer [][]Annotation
			for _, n := range a.annotations(&ch, c, q.Port) {
				for _, before := range tried {
					longer = append(longer, slices.Concat(before, n))
				}
			}
			tried = longer
		}
		then := out[i].Settings[len(out[i].Settings)-1].Then
		if at := slices.IndexFunc(tried, func(n []Annotation) bool { return a.gives(n, q, then) }); at >= 0 {
			out[i].Edit = &Edit{tried[at]}
		}
	}
	return out
}

// gives reports whether with annotations the verdict is the wanted one.
func (a *asked) gives(n []Annotation, q *explain.Question, want plan.VerdictView) bool {
	c, _, err := a.set.Resolve(&config.Layers{}, a.with(n), a.Mode)
	return err == nil && plan.Build(c).Decide(q.Flow()).Verdict.View() == want
}

// annotations returns what might make a change, the likeliest first.
func (a *asked) annotations(ch *explain.Change, c *config.Config, port uint16) [][]Annotation {
	s, _ := config.Find(config.Settings(), ch.Setting)
	switch {
	case s.Annotation == "" || s.Kind == config.KindID: // another id of the proxy's helps nobody
		return nil
	case s.Kind != config.KindPorts:
		return [][]Annotation{{{s.Annotation, ch.To}}}
	}
	to, err := config.ParsePorts(ch.To)
	if err != nil {
		return nil
	}
	adds := to.Contains(port)
	if s.AddsInCNI { // the proxy's own servers are added to what the annotation says
		for _, server := range []uint16{c.ControlPort, c.AdminPort} {
			if server != port {
				to = to.Without(server)
			}
		}
	}
	whole := Annotation{s.Annotation, to.String()}
	var found [][]Annotation
	both, _ := config.Find(config.Settings(), "skip-ports")
	if now, err := config.ParsePorts(a.w.Pod.Annotations[both.Annotation].Value); err == nil && !adds && now.Contains(port) {
		without := Annotation{both.Annotation, now.Without(port).String()}
		found = append(found, []Annotation{without}, []Annotation{without, whole})
	}
	text, _ := a.set.Annotation(a.w, s.Annotation)
	if now, err := config.ParsePorts(text.Value); err == nil && s.AddsInCNI && a.set.Mode(a.w, a.Mode) == config.ModeCNI {
		if adds {
			now = now.Union(config.PortSet{{First: port, Last: port}})
		} else {
			now = now.Without(port)
		}
		found = append(found, []Annotation{{s.Annotation, now.String()}})
	}
	return append(found, []Annotation{whole})
}

// Apply returns the request's manifest with annotations on the workload's pods.
// The error is manifest.ErrByHand.
func (s *Session) Apply(r *Request, edit *Edit) (string, error) {
	text := r.Manifest
	for _, n := range edit.Annotations {
		set, err := (&Session{}).read(text)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(set.Workloads(), func(w *manifest.Object) bool { return id(w) == r.Workload })
		if i < 0 {
			return "", manifest.ErrByHand
		}
		if text, err = manifest.SetAnnotation(text, set.Workloads()[i], n.Key, n.Value); err != nil {
			return "", err
		}
	}
	return text, nil
}
