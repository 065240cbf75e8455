{{- /*
The settings of the agent, as variables and not as flags: so they count for
"kubectl exec … -- /shunt-agent status" too.
*/ -}}
{{- define "shunt.env" -}}
{{- $s := .Values.shunt -}}
{{- range $name, $key := dict "DEST_CNI_NET_DIR" "dest_cni_net_dir" "DEST_CNI_BIN_DIR" "dest_cni_bin_dir" "CNI_NETWORK_CONFIG" "cni_network_config" -}}
- name: {{ $name }}
  valueFrom:
    configMapKeyRef:
      name: linkerd-cni-config
      key: {{ $key }}
{{ end -}}
- name: SHUNT_AGENT_NODE
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- $level := dict "trace" "debug" "warning" "warn" "fatal" "error" "panic" "error" -}}
{{- $settings := dict
  "MODE" $s.mode
  "CONF_NAME" $s.confName
  "DAEMONSET" "linkerd-cni"
  "ON_TERM" $s.onTerm
  "FACTS" (ne $s.facts "off")
  "REPAIR" $s.repair
  "EVICT" $s.evict
  "PROC" (eq (include "shunt.fromProcesses" .) "true" | ternary "/host/proc" "")
  "HEALTH_ADDR" (printf "127.0.0.1:%v" $s.healthPort)
  "METRICS_ADDR" ($s.metrics.enabled | ternary (printf ":%v" $s.metrics.port) "")
  "LOG_FORMAT" $s.logFormat
  "LOG_LEVEL" (get $level .Values.logLevel | default .Values.logLevel)
-}}
{{- range $name, $value := $settings }}
{{- with toString $value }}
- name: SHUNT_AGENT_{{ $name }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- with $s.apiServer }}
{{- if .host }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ .host | quote }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ .port | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "shunt.repairs" -}}
{{- ne .Values.shunt.repair "off" -}}
{{- end -}}

{{- /* Whether the agent has to know the pods of its node: for the plugin, or to repair. */ -}}
{{- define "shunt.knowsPods" -}}
{{- or (ne .Values.shunt.facts "off") (ne .Values.shunt.repair "off") -}}
{{- end -}}

{{- define "shunt.netnsFolder" -}}
{{- and (ne .Values.shunt.netnsDir "") (ne .Values.shunt.repair "off") -}}
{{- end -}}

{{- define "shunt.fromProcesses" -}}
{{- and .Values.shunt.netnsFromProcesses (ne .Values.shunt.repair "off") -}}
{{- end -}}

{{- /*
What the agent may do on the node: write in folders that are not root's, and keep
the owner of a conflist that is not; to repair, enter pods' network namespaces and
write rules there.
*/ -}}
{{- define "shunt.securityContext" -}}
runAsUser: 0
runAsGroup: 0
runAsNonRoot: false
readOnlyRootFilesystem: true
privileged: {{ .Values.privileged }}
{{- if not .Values.privileged }}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
  {{- $add := list "DAC_OVERRIDE" "CHOWN" }}
  {{- if eq (include "shunt.repairs" .) "true" }}{{ $add = concat $add (list "NET_ADMIN" "SYS_ADMIN") }}{{ end }}
  {{- if eq (include "shunt.fromProcesses" .) "true" }}{{ $add = append $add "SYS_PTRACE" }}{{ end }}
  add: [{{ join ", " $add }}]
{{- if eq (include "shunt.fromProcesses" .) "true" }}
appArmorProfile:
  type: Unconfined
{{- end }}
{{- end }}
{{- with .Values.shunt.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "shunt.volumeMounts" -}}
{{- if ne .Values.destCNIBinDir .Values.destCNINetDir -}}
- name: cni-bin-dir
  mountPath: /host{{ .Values.destCNIBinDir }}
{{ end -}}
- name: cni-net-dir
  mountPath: /host{{ .Values.destCNINetDir }}
{{- if eq (include "shunt.knowsPods" .) "true" }}
- name: run-shunt
  mountPath: /run/shunt
{{- end }}
{{- if eq (include "shunt.netnsFolder" .) "true" }}
- name: netns
  mountPath: /run/netns
  mountPropagation: HostToContainer
  readOnly: true
{{- end }}
{{- if eq (include "shunt.fromProcesses" .) "true" }}
- name: proc
  mountPath: /host/proc
  readOnly: true
{{- end }}
{{- end -}}

{{- define "shunt.volumes" -}}
{{- if ne .Values.destCNIBinDir .Values.destCNINetDir -}}
- name: cni-bin-dir
  hostPath:
    path: {{ .Values.destCNIBinDir }}
    type: DirectoryOrCreate
{{ end -}}
- name: cni-net-dir
  hostPath:
    path: {{ .Values.destCNINetDir }}
    type: DirectoryOrCreate
{{- if eq (include "shunt.knowsPods" .) "true" }}
- name: run-shunt
  hostPath:
    path: /run/shunt
    type: DirectoryOrCreate
{{- end }}
{{- if eq (include "shunt.netnsFolder" .) "true" }}
- name: netns
  hostPath:
    path: {{ .Values.shunt.netnsDir }}
    type: DirectoryOrCreate
{{- end }}
{{- if eq (include "shunt.fromProcesses" .) "true" }}
- name: proc
  hostPath:
    path: /proc
    type: Directory
{{- end }}
{{- end -}}
