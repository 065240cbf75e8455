package plan

import "slices"

// Equal reports whether two rules mean the same and carry the same name.
// Counters and reasons do not count; a match that was not understood equals
// nothing, not even itself.
func (r Rule) Equal(o Rule) bool {
	return r.Name == o.Name && r.Verdict == o.Verdict && r.Match.Equal(o.Match)
}

// Equal reports whether two matches hold for the same flows. Lists compare in
// order: every reader and builder sorts them.
func (m Match) Equal(o Match) bool {
	return m.NotUnderstood == "" && o.NotUnderstood == "" &&
		m.Family == o.Family && m.TCP == o.TCP &&
		m.OutInterface == o.OutInterface && m.DstLocal == o.DstLocal &&
		slices.Equal(m.DstPorts, o.DstPorts) &&
		slices.Equal(m.Src, o.Src) && slices.Equal(m.Dst, o.Dst) &&
		slices.Equal(m.UID, o.UID) && slices.Equal(m.GID, o.GID)
}

// Empty reports whether nothing of ours is there.
func (s State) Empty() bool { return len(s.Sections) == 0 }

// Equal reports whether two states hold the same rules in the same order in
// the same places.
func (s State) Equal(o State) bool {
	return slices.EqualFunc(s.Sections, o.Sections, Section.Equal)
}

// Equal reports whether two sections are the same. A stray or unused line in
// either is a difference.
func (s Section) Equal(o Section) bool {
	return s.Name == o.Name && s.Spec == o.Spec && len(s.Stray)+len(s.Unused)+len(o.Stray)+len(o.Unused) == 0 &&
		slices.EqualFunc(s.Rules, o.Rules, Rule.Equal)
}
