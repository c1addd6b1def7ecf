"""Texts of the simulated customers.

Every core sentence is unique and on a line of its own. So a simulated model finds the intent of a
text by reading it, as a real one does.
"""

from typing import Final, TypeAlias

ByLocale: TypeAlias = dict[str, tuple[str, ...]]

LOCALES: Final = ("en", "de", "fr", "pt")

#: The intents of customers, with two phrasings in each language.
CORES: Final[dict[str, ByLocale]] = {
    "refund": {
        "en": ("I want my money back for this order.", "Please refund the amount you charged me twice."),
        "de": (
            "Ich möchte mein Geld für diese Bestellung zurück.",
            "Bitte erstatten Sie den doppelt abgebuchten Betrag.",
        ),
        "fr": ("Je veux être remboursé pour cette commande.", "Merci de rembourser le montant débité deux fois."),
        "pt": ("Quero o meu dinheiro de volta por esta encomenda.", "Por favor devolvam o valor cobrado duas vezes."),
    },
    "delivery": {
        "en": ("My parcel still has not arrived.", "The tracking page has not moved for days."),
        "de": ("Mein Paket ist immer noch nicht angekommen.", "Die Sendungsverfolgung steht seit Tagen still."),
        "fr": ("Mon colis n'est toujours pas arrivé.", "Le suivi du colis n'avance plus depuis des jours."),
        "pt": ("A minha encomenda ainda não chegou.", "O rastreio está parado há vários dias."),
    },
    "cancel": {
        "en": (
            "Cancel my subscription at the end of the month.",
            "I no longer need the service, please end my contract.",
        ),
        "de": (
            "Kündigen Sie mein Abo zum Monatsende.",
            "Ich brauche den Dienst nicht mehr, bitte beenden Sie den Vertrag.",
        ),
        "fr": (
            "Résiliez mon abonnement à la fin du mois.",
            "Je n'ai plus besoin du service, merci de clore mon contrat.",
        ),
        "pt": (
            "Cancelem a minha assinatura no fim do mês.",
            "Já não preciso do serviço, encerrem o contrato por favor.",
        ),
    },
    "login": {
        "en": ("I cannot sign in any more.", "The password reset mail never reaches me."),
        "de": ("Ich kann mich nicht mehr anmelden.", "Die E-Mail zum Zurücksetzen des Passworts kommt nie an."),
        "fr": ("Je n'arrive plus à me connecter.", "L'e-mail de réinitialisation n'arrive jamais."),
        "pt": ("Já não consigo entrar na conta.", "O e-mail de recuperação da senha nunca chega."),
    },
    "invoice": {
        "en": ("I need a copy of last month's invoice.", "Our company address on the invoice is wrong."),
        "de": ("Ich brauche eine Kopie der letzten Rechnung.", "Die Firmenanschrift auf der Rechnung ist falsch."),
        "fr": ("J'ai besoin d'une copie de la dernière facture.", "L'adresse de la société sur la facture est fausse."),
        "pt": ("Preciso de uma cópia da última fatura.", "A morada da empresa na fatura está errada."),
    },
    "bug": {
        "en": ("The app crashes whenever I open the settings.", "The export button does nothing at all."),
        "de": ("Die App stürzt beim Öffnen der Einstellungen ab.", "Der Export-Knopf tut überhaupt nichts."),
        "fr": ("L'application plante quand j'ouvre les réglages.", "Le bouton d'export ne fait rien du tout."),
        "pt": ("A aplicação fecha quando abro as definições.", "O botão de exportar não faz nada."),
    },
    "upgrade": {
        "en": ("We would like to move to the larger plan.", "How do I add five more seats?"),
        "de": ("Wir möchten in den größeren Tarif wechseln.", "Wie füge ich fünf weitere Plätze hinzu?"),
        "fr": ("Nous voulons passer à l'offre supérieure.", "Comment ajouter cinq utilisateurs de plus ?"),
        "pt": ("Queremos mudar para o plano maior.", "Como adiciono mais cinco lugares?"),
    },
    "feedback": {
        "en": ("The new dashboard is a joy to use.", "A dark theme would be a fine addition."),
        "de": ("Die neue Übersicht macht richtig Freude.", "Ein dunkles Design wäre eine schöne Ergänzung."),
        "fr": ("Le nouveau tableau de bord est un plaisir.", "Un thème sombre serait un bel ajout."),
        "pt": ("O novo painel é um prazer de usar.", "Um tema escuro seria uma boa adição."),
    },
}

INTENTS: Final = tuple(CORES)

OPENINGS: Final[ByLocale] = {
    "en": ("Hello,", "Hi there,", "Good morning,", "Dear team,"),
    "de": ("Hallo,", "Guten Tag,", "Guten Morgen,", "Liebes Team,"),
    "fr": ("Bonjour,", "Bonsoir,", "Chère équipe,", "Madame, Monsieur,"),
    "pt": ("Olá,", "Bom dia,", "Boa tarde,", "Cara equipa,"),
}

#: Padding that makes some requests long, and has no effect on the intent.
FILLERS: Final[ByLocale] = {
    "en": (
        "I have been a customer for years and was always happy until now.",
        "I looked through the help pages first but found nothing that fits my case.",
        "It would be kind if somebody could look at it before the weekend.",
    ),
    "de": (
        "Ich bin seit Jahren Kunde und war bisher immer zufrieden.",
        "Die Hilfeseiten habe ich gelesen, aber nichts Passendes gefunden.",
        "Es wäre nett, wenn sich jemand noch vor dem Wochenende darum kümmert.",
    ),
    "fr": (
        "Je suis client depuis des années et j'ai toujours été satisfait.",
        "J'ai parcouru les pages d'aide sans rien trouver qui corresponde.",
        "Ce serait aimable de regarder cela avant le week-end.",
    ),
    "pt": (
        "Sou cliente há anos e estive sempre satisfeito até agora.",
        "Li primeiro as páginas de ajuda, mas nada se aplica ao meu caso.",
        "Seria simpático se alguém visse isto antes do fim de semana.",
    ),
}

NAMES: Final = ("Anna", "Ben", "Chloé", "David", "Elif", "Felix", "Greta", "Hugo", "Inês", "Jonas", "Kim", "Lena")

#: The labels on an invoice: number, customer, net, total, days to pay.
INVOICE_LABELS: Final[ByLocale] = {
    "en": ("Invoice", "Bill to", "Net amount", "Total due", "Days to pay"),
    "de": ("Rechnung", "Rechnung an", "Nettobetrag", "Gesamtbetrag", "Zahlungsziel in Tagen"),
    "fr": ("Facture", "Client", "Montant net", "Total à payer", "Délai en jours"),
    "pt": ("Fatura", "Cliente", "Valor líquido", "Total a pagar", "Prazo em dias"),
}

COMPANIES: Final = (
    "Birch & Sons", "Café Lumen", "Delta Werkzeuge", "Estrela Azul", "Fjord Foods", "Grün Logistik",
    "Harbour Books", "Ilha Verde", "Jura Optik", "Kestrel Labs", "Lac Bleu", "Moinho Velho",
)  # fmt: skip
