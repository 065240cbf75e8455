package iptables
import ("testing";"shunt/plan")
func BenchmarkMicro(b *testing.B){
 be,_:=New(Options{Mode:"legacy"})
 p:=large(5000)
 w:=be.planned(p,plan.IPv4)
 text,_:=script(&table{},w)
 b.Run("parse",func(b *testing.B){b.ReportAllocs();b.SetBytes(int64(len(text)));for b.Loop(){ if t,err:=parseSave(text,plan.IPv4);err!=nil||!t.equal(w,plan.IPv4){b.Fatal(err)}}})
 b.Run("planned",func(b *testing.B){b.ReportAllocs();for b.Loop(){be.planned(p,plan.IPv4)}})
 b.Run("script",func(b *testing.B){b.ReportAllocs();for b.Loop(){script(&table{},w)}})
 t2,_:=parseSave(text,plan.IPv4)
 b.Run("equal",func(b *testing.B){b.ReportAllocs();for b.Loop(){t2.equal(w,plan.IPv4)}})
}
