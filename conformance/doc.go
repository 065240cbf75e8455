// Package conformance holds the tests of shunt as a whole: its program, as it
// is shipped, against the kernel, in network namespaces with real connections.
// There is nothing in it but tests:
//
//   - scenarios: what each option does to connections, on every backend
//     (TestScenarios);
//   - random configurations and connections: the kernel must decide as
//     plan.Decide does (TestRandom);
//   - connections without pause while the rules are replaced: none is treated
//     wrongly (TestGap), and ways of replacing rules that do treat some wrongly
//     are found out (TestGapControls);
//   - the program killed at the system calls that matter (TestKilled), and what
//     happens to connections that are established (TestEstablished);
//   - faults: of commands, privileges, locks, the kernel and other runs.
//
// The environment variable SHUNT_CONFORMANCE says how much is done: nothing
// for the short form, which `go test ./...` runs; "full" prints the scenarios
// and figures (`make conformance`); "long" takes minutes (`make
// conformance-long`). SHUNT_CONFORMANCE_SEED repeats a random run.
package conformance
