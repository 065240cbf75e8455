{{- define "shunt.labels" -}}
linkerd.io/cni-resource: "true"
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "shunt.createdBy" -}}
linkerd.io/created-by: shunt/helm {{ .Chart.AppVersion }}
{{- end -}}

{{- define "shunt.version" -}}
{{ .Values.image.version | default .Chart.AppVersion }}
{{- end -}}

{{- define "shunt.image" -}}
{{- if hasSuffix "/cni-plugin" .Values.image.name }}
  {{- fail (printf "image.name: %s is the image of Linkerd's installer: want shunt's, such as localhost/shunt, and its image.version" .Values.image.name) }}
{{- end -}}
{{ .Values.image.name }}:{{ include "shunt.version" . }}
{{- end -}}

{{- define "shunt.initImage" -}}
{{- with .Values.shunt.initImagePolicy.image -}}
{{ .name | default (printf "%s-init" $.Values.image.name) }}:{{ .version | default (include "shunt.version" $) }}
{{- end -}}
{{- end -}}

{{- /* The elements of a list that is given as a list or as a comma list, as JSON. */ -}}
{{- define "shunt.list" -}}
{{- $entries := list -}}
{{- $given := . -}}
{{- if not (kindIs "slice" .) }}{{ $given = splitList "," (toString .) }}{{ end -}}
{{- range $given -}}
  {{- with toString . | trim }}{{ $entries = append $entries . }}{{ end -}}
{{- end -}}
{{ toJson $entries }}
{{- end -}}

{{- /* The plugin's entry, as JSON: what Linkerd's chart writes, and shunt's keys beside its block. */ -}}
{{- define "shunt.entry" -}}
{{- $v := .Values -}}
{{- $inbound := concat (list (toString $v.proxyAdminPort) (toString $v.proxyControlPort)) (include "shunt.list" $v.ignoreInboundPorts | fromJsonArray) -}}
{{- $linkerd := dict
  "incoming-proxy-port" $v.inboundProxyPort
  "outgoing-proxy-port" $v.outboundProxyPort
  "proxy-uid" $v.proxyUID
  "ports-to-redirect" (include "shunt.list" $v.portsToRedirect | fromJsonArray)
  "inbound-ports-to-ignore" $inbound
  "simulate" false
  "use-wait-flag" $v.useWaitFlag
  "iptables-mode" $v.iptablesMode
  "ipv6" (not $v.disableIPv6)
-}}
{{- if ge (int $v.proxyGID) 0 }}{{ $_ := set $linkerd "proxy-gid" $v.proxyGID }}{{ end -}}
{{- range $key, $value := dict "outbound-ports-to-ignore" $v.ignoreOutboundPorts "subnets-to-ignore" $v.shunt.skipSubnets -}}
  {{- with include "shunt.list" $value | fromJsonArray }}{{ $_ := set $linkerd $key . }}{{ end -}}
{{- end -}}
{{- $entry := dict
  "name" "linkerd-cni"
  "type" "linkerd-cni"
  "log_level" $v.logLevel
  "capabilities" (dict "io.kubernetes.cri.pod-annotations" true)
  "linkerd" $linkerd
  "exclude-namespaces" (append $v.shunt.excludeNamespaces .Release.Namespace | uniq)
  "control-plane-namespaces" $v.shunt.controlPlaneNamespaces
  "kube-api-server-ports" (include "shunt.list" $v.shunt.kubeAPIServerPorts | fromJsonArray)
-}}
{{- range $key, $value := dict "skip-outbound-subnets" $v.shunt.skipOutboundSubnets "skip-outbound-uids" $v.shunt.skipOutboundUIDs -}}
  {{- with include "shunt.list" $value | fromJsonArray }}{{ $_ := set $entry $key . }}{{ end -}}
{{- end -}}
{{- with $v.shunt.backend }}{{ $_ := set $entry "backend" . }}{{ end -}}
{{- if eq $v.shunt.facts "always" }}{{ $_ := set $entry "facts" "always" }}{{ end -}}
{{- if $v.shunt.inboundLocalOnly }}{{ $_ := set $entry "inbound-local-only" true }}{{ end -}}
{{ toPrettyJson $entry }}
{{- end -}}

{{- /* Requests and limits, as Linkerd's charts have them. */ -}}
{{- define "shunt.resources" -}}
{{- $all := dict -}}
{{- range $kind, $plural := dict "limit" "limits" "request" "requests" -}}
  {{- $amounts := dict -}}
  {{- range $resource, $value := $.Values.resources -}}
    {{- with get $value $kind }}{{ $_ := set $amounts $resource (toString .) }}{{ end -}}
  {{- end -}}
  {{- with $amounts }}{{ $_ := set $all $plural . }}{{ end -}}
{{- end -}}
{{- with $all }}{{ toYaml . }}{{ end -}}
{{- end -}}
