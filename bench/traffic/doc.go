// Package traffic measures how many connections a second pass the rules. There
// is nothing in it but a benchmark, because the namespaces and servers that it
// needs are those of the tests.
package traffic
