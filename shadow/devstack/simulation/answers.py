"""Texts of the simulated agents: for each intent, phrasings that mean the same."""

from typing import Final

from shadow.devstack.simulation.phrases import ByLocale

#: A good agent's answers to the first four intents. The phrasings of a language mean the same.
ANSWERS: Final[dict[str, ByLocale]] = {
    "refund": {
        "en": (
            "We have started your refund; it arrives within five days.",
            "Your refund is on its way and will arrive within five days.",
        ),
        "de": (
            "Wir haben die Erstattung veranlasst; sie kommt in fünf Tagen an.",
            "Ihre Erstattung ist unterwegs und kommt in fünf Tagen an.",
        ),
        "fr": (
            "Nous avons lancé le remboursement ; il arrive sous cinq jours.",
            "Votre remboursement est en route et arrive sous cinq jours.",
        ),
        "pt": (
            "Iniciámos o reembolso; chega dentro de cinco dias.",
            "O seu reembolso está a caminho e chega dentro de cinco dias.",
        ),
    },
    "delivery": {
        "en": (
            "We asked the carrier and will write again by tomorrow.",
            "The carrier has been asked; you will hear from us by tomorrow.",
        ),
        "de": (
            "Wir haben beim Paketdienst nachgefragt und melden uns bis morgen.",
            "Der Paketdienst ist gefragt; Sie hören bis morgen von uns.",
        ),
        "fr": (
            "Nous avons interrogé le transporteur et vous écrivons d'ici demain.",
            "Le transporteur est prévenu ; nous vous écrivons d'ici demain.",
        ),
        "pt": (
            "Perguntámos à transportadora e voltamos a escrever até amanhã.",
            "A transportadora foi contactada; terá notícias até amanhã.",
        ),
    },
    "cancel": {
        "en": (
            "Your subscription ends this month and nothing more is charged.",
            "We have ended your subscription; nothing is charged after this month.",
        ),
        "de": (
            "Ihr Abo endet diesen Monat, danach wird nichts mehr abgebucht.",
            "Wir haben Ihr Abo beendet; nach diesem Monat wird nichts abgebucht.",
        ),
        "fr": (
            "Votre abonnement prend fin ce mois-ci, plus rien ne sera débité.",
            "Nous avons mis fin à l'abonnement ; plus rien ne sera débité ensuite.",
        ),
        "pt": (
            "A sua assinatura termina este mês e nada mais é cobrado.",
            "Terminámos a assinatura; depois deste mês nada é cobrado.",
        ),
    },
    "login": {
        "en": (
            "We sent you a new link; it is valid for one hour.",
            "A new link is in your inbox and stays valid for one hour.",
        ),
        "de": (
            "Wir haben Ihnen einen neuen Link geschickt; er gilt eine Stunde.",
            "Ein neuer Link ist in Ihrem Postfach und gilt eine Stunde.",
        ),
        "fr": (
            "Nous vous avons envoyé un nouveau lien, valable une heure.",
            "Un nouveau lien est dans votre boîte, valable une heure.",
        ),
        "pt": (
            "Enviámos um novo link, válido por uma hora.",
            "Um novo link está na sua caixa de entrada, válido por uma hora.",
        ),
    },
}

GREETINGS: Final[ByLocale] = {
    "en": ("Hello {name},", "Dear {name},"),
    "de": ("Hallo {name},", "Guten Tag {name},"),
    "fr": ("Bonjour {name},", "Cher client {name},"),
    "pt": ("Olá {name},", "Bom dia {name},"),
}

SIGN_OFFS: Final[ByLocale] = {
    "en": ("Thank you for your patience.", "Kind regards, your support team."),
    "de": ("Danke für Ihre Geduld.", "Freundliche Grüße, Ihr Support-Team."),
    "fr": ("Merci de votre patience.", "Cordialement, votre équipe."),
    "pt": ("Obrigado pela paciência.", "Com os melhores cumprimentos, a sua equipa."),
}
