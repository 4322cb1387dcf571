"""Frequent French first and last names; any likeness to somebody is chance."""

_WOMEN = (
    "Marie Camille Léa Manon Chloé Emma Sarah Laura Julie Pauline Marion Émilie Céline Aurélie Stéphanie Sandrine "
    "Nathalie Isabelle Sylvie Catherine Christine Véronique Valérie Patricia Monique Françoise Jeanne Louise Alice "
    "Inès Jade Lina Nora Fatima Yasmine Samira Karima Leïla Aïcha Aminata Fatou Mariama Elena Ana Carmen Lucía Sofia "
    "Anaïs Océane Mélanie Élodie Amandine Virginie Delphine Karine Sophie Hélène Claire Anne-Sophie Marie-Laure "
    "Lou-Anne Maëlle Gwenaëlle Solène Clémence Margaux Romane Lucie Mathilde"
)
_MEN = (
    "Jean Pierre Michel Philippe Alain Patrick Nicolas Christophe Frédéric Laurent Stéphane David Sébastien Julien "
    "Thomas Alexandre Maxime Antoine Kévin Romain Jérémy Florian Lucas Hugo Théo Louis Gabriel Raphaël Adam Rayan "
    "Mehdi Karim Mohamed Youssef Ibrahim Mamadou Moussa José Manuel Carlos Jordi Marc Paul Jacques André François "
    "Guillaume Benoît Cédric Mickaël Loïc Yann Erwan Étienne Rémi Joël Noël Jean-Luc Jean-Marc Pierre-Yves Baptiste "
    "Quentin Clément Mathieu Arnaud Fabien Damien"
)
_LAST_NAMES = (
    "MARTIN BERNARD THOMAS PETIT ROBERT RICHARD DURAND DUBOIS MOREAU LAURENT SIMON MICHEL LEFEBVRE LEROY ROUX DAVID "
    "BERTRAND MOREL FOURNIER GIRARD BONNET DUPONT LAMBERT FONTAINE ROUSSEAU VINCENT MULLER LEFÈVRE FAURE ANDRÉ MERCIER "
    "BLANC GUÉRIN BOYER GARNIER CHEVALIER FRANÇOIS LEGRAND GAUTHIER GARCIA PERRIN ROBIN CLÉMENT MORIN NICOLAS HENRY "
    "ROUSSEL MATHIEU GAUTIER MASSON MARCHAND DUVAL DENIS DUMONT MARIE LEMAIRE NOËL MEYER DUFOUR MEUNIER BRUN BLANCHARD "
    "GIRAUD JOLY RIVIÈRE LUCAS BRUNET GAILLARD BARBIER ARNAUD MARTÍNEZ GÉRARD ROCHE RENARD SCHMITT ROY LEROUX COLIN "
    "VIDAL CARON PICARD ROGER FABRE AUBERT LEMOINE RENAUD DUMAS LACROIX OLIVIER PHILIPPE BOURGEOIS PIERRE BENOÎT REY "
    "LECLERC PAYET ROLLAND LECLERCQ GUILLAUME LECOMTE LÓPEZ JEAN DUPUY GUILLOT HUBERT BERGER CARPENTIER SÁNCHEZ DUPUIS "
    "MOULIN LOUIS DESCHAMPS HUET VASSEUR PEREZ BOUCHER FLEURY ROYER KLEIN JACQUET ADAM PARIS POIRIER MARTY AUBRY GUYOT "
    "CARRÉ CHARLES RENAULT CHARPENTIER MÉNARD MAILLARD BARON BERTIN BAILLY HERVÉ SCHNEIDER FERNÁNDEZ COLLET LÉGER "
    "BOUVIER JULIEN PRÉVOST MILLET PERROT DANIEL LE·GALL COUSIN GERMAIN BRETON BESSON LANGLOIS RÉMY LE·GOFF PELLETIER "
    "LÉVÊQUE PERRIER LEBLANC BARRÉ LEBRUN MARCHAL WEBER MALLET HAMON BOULANGER JACOB MONNIER MICHAUD RODRÍGUEZ "
    "GUICHARD BENALI HADDAD SAÏDI TRAORÉ DIALLO NGUYEN DA·SILVA FERREIRA PEREIRA PUIG SOLER FERRER BATLLE D’ALMEIDA "
    "N’DIAYE SAINT-PAUL DUPONT-MOREAU"
)
WOMEN, MEN = tuple(_WOMEN.split()), tuple(_MEN.split())
LAST_NAMES = tuple(name.replace("·", " ") for name in _LAST_NAMES.split())
