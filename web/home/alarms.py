"""Why an alarm usually opens and what to do; its own message says what happened. It closes by itself."""

from db import alarms

REMEDIES = {
    alarms.MISSED_SLOT: (
        "O worker, o Prefect ou a máquina estava parado ou ocupado no horário previsto.",
        "O par é executado assim que possível. Se repetir, verifique o worker e aumente seus recursos.",
    ),
    alarms.REPEATED_INTERRUPTION: (
        "O processo que executa o par termina sem aviso, em geral por falta de memória.",
        "Verifique a memória e os logs do worker; depois execute o par de novo.",
    ),
    alarms.PREFECT_DOWN: (
        "O servidor Prefect está parado, ou a rede entre ele e os demais processos caiu.",
        "Verifique se ele está no ar (cloudtosys up).",
    ),
    alarms.SCHEDULER_SILENT: (
        "O agendador do Prefect parou, embora o servidor responda.",
        "Reinicie o servidor Prefect.",
    ),
    alarms.NOTHING_ARRIVED: (
        "O sistema externo deixou de entregar o que entregava, ou uma permissão foi retirada.",
        "Confira no sistema externo se há registros novos e use Testar Conexão.",
    ),
    alarms.CREDENTIAL_EXPIRING: (
        "Uma chave, um token ou um certificado chega ao fim da validade.",
        "Renove no sistema externo e grave a nova credencial em Configurar.",
    ),
    alarms.CREDENTIAL_EXPIRED: (
        "A validade de uma chave, um token ou um certificado terminou.",
        "Renove no sistema externo e grave a nova credencial em Configurar.",
    ),
    alarms.DELETION_GATE: (
        "Muitos registros sumiram de uma vez da lista do sistema externo.",
        "Confira no sistema externo e confirme ou recuse as exclusões em Mapeamentos.",
    ),
    alarms.WEBHOOKS_UNREGISTERED: (
        "O sistema externo recusou ou apagou o registro do webhook.",
        "Confira as permissões da credencial e registre de novo em Configurar; a agenda continua a ler tudo.",
    ),
}
