// Package repair looks at the network namespaces of a node's pods and brings
// rules to those that started before the plugin was there. It looks at what the
// kernel holds, not at how containers ended. A pod whose application has not
// started is repaired in place: it has no connections to lose. Of one that runs,
// people are told, and it is evicted only where that was asked for.
package repair
