{{- define "vtp.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "vtp.labels" -}}
app.kubernetes.io/name: vtp
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "vtp.selector" -}}
app.kubernetes.io/name: vtp
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vtp.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}

{{- define "vtp.secret" -}}
{{ .Values.existingSecret | default (printf "%s-secrets" (include "vtp.name" .)) }}
{{- end -}}

{{- define "vtp.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "vtp.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "vtp.backendUrl" -}}
{{ printf "http://%s-backend.%s.svc:%v" (include "vtp.name" .) .Release.Namespace .Values.backend.service.port }}
{{- end -}}

{{- define "vtp.backendEnv" -}}
- { name: VTP_HOME, value: /var/lib/vtp }
- { name: VTP_LOG_JSON, value: "true" }
- { name: ENV_NAME, value: k8s }
- { name: VTP_PUBLIC_URL, value: {{ .Values.backend.publicUrl | default (include "vtp.backendUrl" .) | quote }} }
{{- range $name, $value := .Values.env }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end -}}
