{{- define "kenserve.name" -}}
{{- printf "%s" (ternary .Release.Name (printf "%s-kenserve" .Release.Name) (contains "kenserve" .Release.Name)) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- define "kenserve.labels" -}}
{{ include "kenserve.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
{{- define "kenserve.selector" -}}
app.kubernetes.io/name: kenserve
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
