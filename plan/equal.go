package plan

import "slices"

// Equal reports whether two rules mean the same and carry the same name.
// Reasons do not count.
func (r Rule) Equal(o Rule) bool {
	return r.Name == o.Name && r.Verdict == o.Verdict && r.Match.Equal(o.Match)
}

// Equal reports whether two matches hold for the same flows. Lists compare in
// order: every reader and builder sorts them.
func (m Match) Equal(o Match) bool {
	return m.Family == o.Family && m.TCP == o.TCP &&
		m.OutInterface == o.OutInterface && m.DstLocal == o.DstLocal &&
		slices.Equal(m.DstPorts, o.DstPorts) &&
		slices.Equal(m.Src, o.Src) && slices.Equal(m.Dst, o.Dst) &&
		slices.Equal(m.UID, o.UID) && slices.Equal(m.GID, o.GID)
}
